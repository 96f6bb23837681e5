// Matrix products with packed weights.
//
// A weight matrix W is [outputs][inputs]. It is stored once, in panels of `panel_width` outputs, for the kernel that
// reads it; both directions (y = x Wᵀ and dx = dy W) read the same panels. Every output element is one accumulator that
// runs over the inner dimension in ascending order, so its bits depend on its own row alone.
#ifndef APUS_LINEAR_H
#define APUS_LINEAR_H

#include <stddef.h>
#include <stdint.h>

// The number of the packed layouts below and of how values are rounded into them. Packed weights are kept in files: raise
// it with every change that gives one of them other bytes. (A probe that is packed at every start catches most changes.)
#define APUS_WEIGHT_LAYOUT 3

// A scale of NF4 that stands for none: the largest magnitude was too large, or not finite.
#define APUS_NO_SCALE 0xFFFF

typedef enum {
  APUS_WEIGHT_F32 = 0,   // panel: [inputs][panel_width] fp32
  APUS_WEIGHT_BF16 = 1,  // panel: [inputs / 2][panel_width][2] bf16
  APUS_WEIGHT_NF4 = 2,   // panel: [inputs / 2][panel_width] bytes of two codes, in the order that the kernel reads
  APUS_WEIGHT_FIXED = 3, // panel: [inputs / 2][panel_width][2] 16-bit integers in units of their group's scale
  APUS_WEIGHT_INT8 = 4,  // panel: [inputs / 2][panel_width][2] 8-bit integers in units of their group's scale
} apus_weight_format;

/// A packed weight. `inputs` is even unless the format is F32. Panels past `outputs` are padded with zeros; one of FIXED that
/// half a panel holds, as an adapter's narrow side, is stored as wide as that.
typedef struct {
  apus_weight_format format;
  int outputs, inputs;
  int group;      // NF4, FIXED and INT8: consecutive inputs that share one scale; even, a divisor of 64
  void *panels;
  void *scales;   // of NF4 in 16 bits, of FIXED and INT8 in fp32: [panel][inputs / group][`stored_width`]
} apus_weight;

/// The form of the rows that enter a product.
typedef enum {
  APUS_ROWS_F32 = 0,    // as they are
  APUS_ROWS_BF16 = 1,   // neighbours are pairs
  APUS_ROWS_FIXED = 2,  // integers with a scale for each block; step p of a block of 2 n is the pair of step p + n
} apus_row_format;

/// Rows that enter a product, [count][depth]: as fp32, or in the format's form by `round_rows`.
typedef struct {
  const float *values;
  long ld;
  int count;
  const uint16_t *rounded;
  long rounded_ld;  // even
  const float *scales;
  long scale_ld;
} apus_rows;

typedef struct {
  int panel_width;
  /// The 16-bit format of adapters beside weights of 4 or 8 bits, whose rows are in the same form.
  apus_weight_format half_format;
  /// Outputs of a weight that share a scale when rows are rounded for `backward`; for `forward` it is the weight's group.
  int (*backward_block)(int outputs);
  /// The form of the rows that products of a format read.
  apus_row_format (*row_format)(apus_weight_format format);

  /// Outputs that a panel of a weight has room for: panel_width, or half of it.
  int (*stored_width)(apus_weight_format format, int outputs);
  /// Bytes of one scale of a format that has them.
  size_t (*scale_bytes)(apus_weight_format format);
  /// Bytes of one panel's weights.
  size_t (*panel_bytes)(apus_weight_format format, int outputs, int inputs);
  /// Packs rows first ..< first + count of a weight of any format but NF4 from fp32 rows.
  void (*pack)(const apus_weight *weight, int first, int count, const float *rows, long ld);
  /// Packs rows of an NF4 weight of zeros: one code a byte, [count][inputs], and scales [count][inputs / group].
  void (*pack_nf4)(const apus_weight *weight, int first, int count, const uint8_t *codes, const float *scales);
  /// NF4 codes (one a byte) and scales (largest magnitude) of count values in blocks of 64; the last block may be short.
  void (*quantize_nf4)(const float *values, long count, uint8_t *codes, float *scales);
  /// The effective values of one row, fp32, [inputs].
  void (*read_row)(const apus_weight *weight, int row, float *values);

  /// Rounds rows of x, [rows][depth], to BF16 or FIXED form, in blocks of `block` values (even, a divisor of 64; the last
  /// may be short: what it lacks is zero). out has room for whole blocks, and for depth + 1 values a row; scales are
  /// [rows][ceil(depth / block)], of FIXED alone.
  void (*round_rows)(apus_row_format format, const float *x, long ldx, int rows, int depth, int block, uint16_t *out,
                     long ld, float *scales, long scale_ld);

  /// y = x Wᵀ (+ bias), or y += x Wᵀ where accumulate is set, for the outputs of panels panel_begin ..< panel_end.
  /// y points at output 0 of its first row.
  void (*forward)(const apus_weight *weight, const apus_rows *x, const float *bias, float *y, long ldy, int accumulate,
                  int panel_begin, int panel_end, float *scratch);
  /// dx = dy W, or dx += dy W where accumulate is set, over outputs output_begin ..< output_end (a multiple of the panel
  /// width to begin with), for inputs in panels panel_begin ..< panel_end of panel_width inputs each. dy's first column
  /// is output output_begin.
  void (*backward)(const apus_weight *weight, const apus_rows *dy, int output_begin, int output_end, float *dx,
                   long lddx, int accumulate, int panel_begin, int panel_end, float *scratch);
  /// Floats of scratch that one thread of forward or backward needs.
  size_t scratch_floats;

  /// c[i][j] += alpha * Σ_row a[row][i] b[row][j] for i in i_begin ..< i_end and j in 0 ..< columns, in blocks of 64 rows.
  void (*outer)(const float *a, long lda, const float *b, long ldb, int rows, float alpha, float *c, long ldc,
                int i_begin, int i_end, int columns);
} apus_linear_kernels;

#endif
