// Bodies of the matrix products; see apus_linear.h. Included once for each instruction set.
//
// The register tile is tile_rows rows by tile_vectors vectors of outputs. A block of panels is first brought into
// compute form in scratch (fp32, or bf16 pairs where APUS_PAIR_DOT), sized for the second-level cache; then tiles of
// rows run over it. One code path serves one row and a thousand.
#include "linear_tiles.h"

#include "linear_panels.h"

/// One direction of the product: which compute panels there are and how deep the inner dimension is.
typedef struct {
  const apus_weight *weight;
  int transposed;    // 0: panels of outputs, depth runs over inputs; 1: panels of inputs, depth runs over outputs
  int depth_begin;   // first inner step (transposed only; a multiple of panel_width)
  int depth;
  int columns;       // of the result
  int pairs;         // compute in bf16 pairs
} product;

/// One panel in compute form for inner steps k0 ..< k0 + depth: in place where the stored form is the compute form.
APUS_INLINE const float *compute_panel(const product *p, int panel, int k0, int depth, float *scratch, float *staging) {
  const apus_weight *w = p->weight;
  if (!p->transposed && w->format == APUS_WEIGHT_F32)
    return (const float *)panel_of(w, panel) + (size_t)k0 * panel_width;
  if (!p->transposed && p->pairs && w->format == APUS_WEIGHT_BF16)
    return (const float *)panel_of(w, panel) + (size_t)(k0 / 2) * panel_width;
  float *f32 = p->pairs ? staging : scratch;
  if (p->transposed)
    panel_transposed_f32(w, panel, p->depth_begin + k0, depth, f32);
  else
    panel_to_f32(w, panel, k0, depth, f32);
#if APUS_PAIR_DOT
  if (p->pairs) panel_to_pairs(f32, depth, (uint32_t *)scratch);
#endif
  return scratch;
}

/// One tile of rows by one panel; a panel that ends past the last column goes through a buffer of full width.
APUS_INLINE void product_tile(const product *p, const float *a, long a_row, const float *b, int depth, int rows,
                              float *c, long ldc, int columns, const float *bias, int accumulate) {
  float edge[tile_rows * panel_width], edge_bias[panel_width];
  float *to = c;
  long ld = ldc;
  if (columns < panel_width) {
    to = edge, ld = panel_width;
    memset(edge_bias, 0, sizeof edge_bias);
    if (bias) memcpy(edge_bias, bias, sizeof(float) * (size_t)columns), bias = edge_bias;
    memset(edge, 0, sizeof edge);
    if (accumulate)
      for (int i = 0; i < rows; i++) memcpy(edge + i * panel_width, c + i * ldc, sizeof(float) * (size_t)columns);
  }
#if APUS_PAIR_DOT
  if (p->pairs)
    tile_pairs_rows(rows, (const uint32_t *)a, a_row, (const uint32_t *)b, (depth + 1) / 2, to, ld, bias, accumulate);
  else
#endif
    tile_f32_rows(rows, a, a_row, 1, b, panel_width, depth, to, ld, bias, accumulate);
  if (columns < panel_width)
    for (int i = 0; i < rows; i++) memcpy(c + i * ldc, edge + i * panel_width, sizeof(float) * (size_t)columns);
  (void)p;
}

/// All rows over one block of panels in compute form.
APUS_INLINE void product_rows(const product *p, const float *x, long ldx, int rows, int k0, int depth,
                              const float *const *panels, int first_panel, int panel_count, const float *bias,
                              float *y, long ldy, int accumulate, float *row_scratch) {
  for (int r0 = 0; r0 < rows; r0 += row_block) {
    int block = rows - r0 < row_block ? rows - r0 : row_block;
    const float *a = x + r0 * ldx + k0;
    long a_row = ldx;
#if APUS_PAIR_DOT
    if (p->pairs) {
      rows_to_pairs(a, ldx, block, depth, (uint32_t *)row_scratch);
      a = row_scratch, a_row = depth_block / 2;
    }
#endif
    for (int q = 0; q < panel_count; q++) {
      int column = (first_panel + q) * panel_width;
      int columns = p->columns - column < panel_width ? p->columns - column : panel_width;
      for (int t = 0; t < block; t += tile_rows) {
        int n = block - t < tile_rows ? block - t : tile_rows;
        product_tile(p, a + t * a_row, a_row, panels[q], depth, n, y + (r0 + t) * ldy + column, ldy, columns,
                     bias ? bias + column : 0, accumulate);
      }
    }
  }
  (void)row_scratch;
}

static void run_product(const product *p, const float *x, long ldx, int rows, const float *bias, float *y, long ldy,
                        int accumulate, int panel_begin, int panel_end, float *scratch) {
  float *staging = scratch + panel_block_floats, *row_scratch = staging + depth_block * panel_width;
  // A few rows use a panel once: one at a time stays in the first-level cache. Many rows share a block of panels.
  int block = rows <= 2 * tile_rows ? 1 : panel_block;
  for (int p0 = panel_begin; p0 < panel_end; p0 += block) {
    int count = panel_end - p0 < block ? panel_end - p0 : block;
    for (int k0 = 0; k0 < p->depth; k0 += depth_block) {
      int depth = p->depth - k0 < depth_block ? p->depth - k0 : depth_block;
      const float *panels[panel_block];
      for (int q = 0; q < count; q++)
        panels[q] = compute_panel(p, p0 + q, k0, depth, scratch + q * depth_block * panel_width, staging);
      product_rows(p, x, ldx, rows, k0, depth, panels, p0, count, k0 ? 0 : bias, y, ldy, accumulate || k0 > 0,
                   row_scratch);
    }
  }
}

APUS_INLINE int weight_in_pairs(const apus_weight *w) { return computes_in_pairs && w->format != APUS_WEIGHT_F32; }

static void linear_forward(const apus_weight *w, const float *x, long ldx, int rows, const float *bias, float *y,
                           long ldy, int accumulate, int panel_begin, int panel_end, float *scratch) {
  product p = {.weight = w, .depth = w->inputs, .columns = w->outputs, .pairs = weight_in_pairs(w)};
  run_product(&p, x, ldx, rows, bias, y, ldy, accumulate, panel_begin, panel_end, scratch);
}

static void linear_backward(const apus_weight *w, const float *dy, long lddy, int rows, int output_begin,
                            int output_end, float *dx, long lddx, int accumulate, int panel_begin, int panel_end,
                            float *scratch) {
  product p = {.weight = w, .transposed = 1, .depth_begin = output_begin, .depth = output_end - output_begin,
               .columns = w->inputs, .pairs = weight_in_pairs(w)};
  run_product(&p, dy, lddy, rows, 0, dx, lddx, accumulate, panel_begin, panel_end, scratch);
}

static void linear_outer(const float *a, long lda, const float *b, long ldb, int rows, float alpha, float *c, long ldc,
                         int i_begin, int i_end, int columns) {
  enum { block = 64 };
  for (int r0 = 0; r0 < rows; r0 += block) {
    int depth = rows - r0 < block ? rows - r0 : block;
    for (int j = 0; j < columns; j += panel_width) {
      int width = columns - j < panel_width ? columns - j : panel_width;
      float edge[block * panel_width];
      const float *panel = b + r0 * ldb + j;
      long step = ldb;
      if (width < panel_width) {
        memset(edge, 0, sizeof edge);
        for (int k = 0; k < depth; k++) memcpy(edge + k * panel_width, panel + k * ldb, sizeof(float) * (size_t)width);
        panel = edge, step = panel_width;
      }
      for (int i = i_begin; i < i_end; i += tile_rows) {
        int n = i_end - i < tile_rows ? i_end - i : tile_rows;
        float sums[tile_rows * panel_width];
        tile_f32_rows(n, a + r0 * lda + i, 1, lda, panel, step, depth, sums, panel_width, 0, 0);
        for (int t = 0; t < n; t++)
          for (int l = 0; l < width; l++) {
            float *to = c + (i + t) * ldc + j + l;
            *to = f_fma(alpha, sums[t * panel_width + l], *to);
          }
      }
    }
  }
}

#define APUS_LINEAR_KERNELS                                                                             \
  {.panel_width = panel_width, .pairs = computes_in_pairs, .panel_bytes = linear_panel_bytes,           \
   .pack = linear_pack, .pack_nf4 = linear_pack_nf4, .quantize_nf4 = linear_quantize_nf4,                  \
   .read_row = linear_read_row,                                                                         \
   .forward = linear_forward, .backward = linear_backward,                                              \
   .scratch_floats = panel_block_floats + depth_block * panel_width + row_block_floats, .outer = linear_outer}
