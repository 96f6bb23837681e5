// The row-wise pieces of a transformer layer, forward and backward.
#ifndef APUS_LAYER_H
#define APUS_LAYER_H

#include <stdint.h>

typedef struct {
  /// y[row] = x[row] / sqrt(mean(x[row]²) + epsilon) * gain, over rows row_begin ..< row_end of width n. y may be x.
  void (*rms_norm)(const float *x, const float *gain, float epsilon, float *y, int n, int row_begin, int row_end);
  /// x[row] += d[row], then y[row] = rms_norm(x[row]).
  void (*add_rms_norm)(float *x, const float *d, const float *gain, float epsilon, float *y, int n, int row_begin,
                       int row_end);
  /// dx[row] += the gradient of rms_norm at x[row] for dy[row]. The gain is frozen: it has no gradient.
  void (*rms_norm_backward)(const float *x, const float *gain, float epsilon, const float *dy, float *dx, int n,
                            int row_begin, int row_end);
  /// x += d, elementwise.
  void (*add)(float *x, const float *d, long begin, long end);
  /// Rotates the first 2 * half elements of each of a row's `heads` heads in place, pairs (j, j + half), by the angle of
  /// the row's position: cosines and sines are [position][half]. direction is 1, or -1 for the transpose (the gradient).
  void (*rope)(float *x, long ldx, int heads, int head_size, int half, const float *cosines, const float *sines,
               const int32_t *positions, float direction, int row_begin, int row_end);
  /// h = silu(gate) * up, elementwise.
  void (*silu_gate)(const float *gate, const float *up, float *h, long begin, long end);
  /// From dh, writes d_gate and d_up, elementwise; d_gate may be dh's or gate's storage, d_up may be up's.
  void (*silu_gate_backward)(const float *gate, const float *up, const float *dh, float *d_gate, float *d_up,
                             long begin, long end);
  /// h = gelu(gate) * up, elementwise, of the approximation by tanh (Hendrycks and Gimpel 2016).
  void (*gelu_gate)(const float *gate, const float *up, float *h, long begin, long end);
  /// As silu_gate_backward.
  void (*gelu_gate_backward)(const float *gate, const float *up, const float *dh, float *d_gate, float *d_up,
                             long begin, long end);
  /// Writes n values of x as 16-bit integers with one scale for each APUS_SHORT_BLOCK of them: 15 bits of each block's
  /// largest magnitude.
  void (*shorten)(const float *x, long n, int16_t *values, float *scales);
  /// The values again.
  void (*lengthen)(const int16_t *values, const float *scales, long n, float *x);
} apus_layer_kernels;

/// Values that share a scale in `shorten`.
#define APUS_SHORT_BLOCK 64

#endif
