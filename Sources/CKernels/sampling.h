// What sampling.c needs of the full passes over a row; sampling_passes.h has them, once for each register width.
#ifndef SAMPLING_H
#define SAMPLING_H

#include <stdint.h>

typedef struct {
  uint32_t key;  // ordered bits of the last value, from the top, that the mass reaches
  double above;  // mass of all larger values
} selection;

typedef struct {
  /// The largest logit, or NaN where nothing can be drawn: a NaN or +inf in the row, or every logit -inf.
  float (*largest_drawable)(const float *x, int n);
  /// Writes weights[i] = e^(x[i] - largest) and returns their sum.
  double (*exponentials)(const float *x, int n, float largest, float *weights);
  /// The value at which, going down from the largest, the count, or the mass of the weights, reaches the limit.
  selection (*select_by_count)(const float *x, int n, int count);
  selection (*select_by_mass)(const float *x, const float *weights, int n, double limit);
  void (*divide)(float *x, int n, float divisor);
  /// Makes -inf of what is below the threshold.
  void (*drop_below)(float *x, int n, float threshold);
  /// The first index whose cumulative weight passes uniform * total.
  int (*draw)(const float *weights, int n, double uniform, double total);
} sampling_passes;

extern const sampling_passes sampling_passes_portable;
#if defined(__x86_64__)
extern const sampling_passes sampling_passes_avx2;
#endif

#endif
