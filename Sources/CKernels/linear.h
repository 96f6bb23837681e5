// Bodies of the matrix products; see apus_linear.h. Included once for each instruction set.
//
// The register tile is tile_rows rows by tile_vectors vectors of outputs. A block of panels is first brought into
// compute form in scratch (fp32, or pairs of 16 bits), sized for the second-level cache; then tiles of rows run over it.
// One code path serves one row and a thousand.
#include "linear_tiles.h"

#include "linear_quantize.h"

#include "linear_panels.h"

#include "linear_transposed.h"

#include "linear_outer.h"

/// How a panel is read by the tiles: fp32, pairs that were written down, or as it is stored.
typedef enum { PANEL_F32, PANEL_PAIRS, PANEL_BF16, PANEL_STORED } panel_form;

/// One direction of the product: which compute panels there are and how deep the inner dimension is.
typedef struct {
  const apus_weight *weight;
  const apus_rows *rows;
  int transposed;    // 0: panels of outputs, depth runs over inputs; 1: panels of inputs, depth runs over outputs
  int depth_begin;   // first inner step (transposed only; a multiple of panel_width)
  int depth;
  int columns;       // of the result
  int block;         // inner steps that share scales; 0 where there are none
  panel_form form;
} product;

/// One panel of the inner steps at hand, in compute form.
typedef struct {
  const void *values;   // fp32 [depth][panel_width], pairs [depth / 2][width], or codes of as many pairs
  const float *scales;  // [block][width], or NULL
} compute_panel;

/// Scratch of one thread.
typedef struct {
  _Alignas(64) float panels[panel_block * panel_floats];
  _Alignas(64) float scales[panel_block * scale_floats];  // of turned panels and of NF4; others lie with the weight
#if APUS_BF16_DOT
  float staging[panel_floats];
#endif
} linear_scratch;

/// A panel of the backward direction.
APUS_INLINE compute_panel make_turned_panel(const product *p, int panel, int n0, int depth, linear_scratch *scratch,
                                            int slot) {
  float *room = scratch->panels + slot * panel_floats;
  compute_panel result = {room, 0};
  if (p->form == PANEL_F32) {
    panel_transposed_f32(p->weight, panel, n0, depth, room);
    return result;
  }
#if APUS_BF16_DOT
  if (pairs_are_bf16 || p->form == PANEL_BF16) {
    panel_transposed_f32(p->weight, panel, n0, depth, scratch->staging);
    panel_to_pairs(scratch->staging, depth, (pair *)room);
    return result;
  }
#endif
  float *scales = scratch->scales + slot * scale_floats;
  panel_transposed_fixed(p->weight, panel, n0, depth, p->block, (pair *)room, scales);
  result.scales = scales;
  return result;
}

/// Brings a panel's inner steps k0 ..< k0 + depth into compute form, or points at them where they are stored in it.
APUS_INLINE compute_panel make_panel(const product *p, int panel, int k0, int depth, linear_scratch *scratch, int slot) {
  const apus_weight *w = p->weight;
  if (p->transposed) return make_turned_panel(p, panel, p->depth_begin + k0, depth, scratch, slot);
  float *room = scratch->panels + slot * panel_floats;
  compute_panel result = {room, 0};
  if (p->form == PANEL_F32 && w->format == APUS_WEIGHT_F32)
    result.values = (const float *)panel_of(w, panel) + (size_t)k0 * panel_width;
  else if (p->form == PANEL_F32)
    panel_to_f32(w, panel, k0, depth, room);
  else if (p->form == PANEL_STORED)
    result.values = panel_codes(w, panel, k0);
  else
    result.values = panel_pairs(w, panel, k0, depth, (pair *)room);
  if (!p->block) return result;
  if (w->format == APUS_WEIGHT_NF4) {
    float *units = scratch->scales + slot * scale_floats;
    panel_units(w, panel, k0, depth, units);
    result.scales = units;
  } else {
    result.scales = (const float *)group_scales(w, panel, k0 / p->block);
  }
  return result;
}

/// A tile of pairs, by the function for the panel's form; the first `columns` columns are wanted.
APUS_INLINE void product_pairs(const product *p, int rows, const pair_operands *x, int depth, float *c, long ldc,
                               int columns, const float *bias, int accumulate) {
#if APUS_BF16_DOT
  if (p->form == PANEL_BF16) {
    tile_bf16_rows(rows, x, depth, c, ldc, bias, accumulate);
    return;
  }
#endif
  const int left = columns <= panel_width / 2;
  if (p->form == PANEL_PAIRS)
    (left ? tile_left_pairs_rows : tile_pairs_rows)(rows, x, depth, c, ldc, bias, accumulate);
  else if (p->weight->format == APUS_WEIGHT_NF4)
    tile_nf4_rows(rows, x, depth, c, ldc, bias, accumulate);
  else if (p->weight->format == APUS_WEIGHT_INT8)
    tile_int8_rows(rows, x, depth, c, ldc, bias, accumulate);
  else
    (left ? tile_left_stream_rows : tile_stream_rows)(rows, x, depth, c, ldc, bias, accumulate);
}

/// One tile of rows by one panel; a panel that ends past the last column goes through a buffer of full width.
APUS_INLINE void product_tile(const product *p, int row, int rows, int k0, int depth, compute_panel b, float *c, long ldc,
                              int columns, const float *bias, int accumulate) {
  float edge[most_rows * panel_width], edge_bias[panel_width];
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
  const apus_rows *x = p->rows;
  if (p->form == PANEL_F32) {
    tile_f32_rows(rows, x->values + row * x->ld + k0, x->ld, 1, b.values, panel_width, depth, to, ld, bias, accumulate);
  } else {
    pair_operands operands = {
        .a = (const pair *)(x->rounded + row * x->rounded_ld + k0), .a_row = x->rounded_ld / 2,
        .a_scales = p->block ? x->scales + row * x->scale_ld + k0 / p->block : 0, .a_scale_row = x->scale_ld,
        .b = b.values, .b_scales = b.scales, .b_width = p->transposed ? panel_width : weight_width(p->weight),
        .block = p->block};
    product_pairs(p, rows, &operands, depth, to, ld, columns, bias, accumulate);
  }
  if (columns < panel_width)
    for (int i = 0; i < rows; i++) memcpy(c + i * ldc, edge + i * panel_width, sizeof(float) * (size_t)columns);
}

/// Asks for the lines that a tile's results go to, which many rows have driven out: the tile's products hide the wait.
APUS_INLINE void prefetch_results(const float *c, long ldc, int rows, int columns) {
  for (int i = 0; i < rows; i++)
    for (int j = 0; j < columns; j += 16) __builtin_prefetch(c + i * ldc + j, 1, 3);
}

/// All rows over one block of panels in compute form.
APUS_INLINE void product_rows(const product *p, int k0, int depth, const compute_panel *panels, int first_panel,
                              int panel_count, const float *bias, float *y, long ldy, int accumulate) {
  const int rows = p->rows->count, most = p->form == PANEL_STORED && rows <= coded_rows ? coded_rows : tile_rows;
  for (int r0 = 0; r0 < rows; r0 += row_block) {
    int end = r0 + row_block < rows ? r0 + row_block : rows;
    for (int q = 0; q < panel_count; q++) {
      int column = (first_panel + q) * panel_width;
      int columns = p->columns - column < panel_width ? p->columns - column : panel_width;
      // Rows are dealt out evenly, 20 as four times 5: a tile of few rows waits for its loads.
      for (int row = r0, tiles = (end - r0 + most - 1) / most; tiles > 0; tiles--) {
        int own = (end - row + tiles - 1) / tiles;
        float *c = y + row * ldy + column;
        prefetch_results(c, ldy, own, columns);
        product_tile(p, row, own, k0, depth, panels[q], c, ldy, columns, bias ? bias + column : 0, accumulate);
        row += own;
      }
    }
  }
}

static void run_product(const product *p, const float *bias, float *y, long ldy, int accumulate, int panel_begin,
                        int panel_end, linear_scratch *scratch) {
  // A few rows use a panel once: one at a time stays in the first-level cache. Many rows share a block of panels.
  int block = p->rows->count <= 2 * tile_rows ? 1 : panel_block;
  // A panel that is read as it is stored needs no room but for its scales.
  const int most = p->block ? scale_groups * p->block : depth_block;
  const int step = p->form == PANEL_STORED || depth_block > most ? most : depth_block;
  for (int p0 = panel_begin; p0 < panel_end; p0 += block) {
    int count = panel_end - p0 < block ? panel_end - p0 : block;
    for (int k0 = 0; k0 < p->depth; k0 += step) {
      int depth = p->depth - k0 < step ? p->depth - k0 : step;
      compute_panel panels[panel_block];
      for (int q = 0; q < count; q++) panels[q] = make_panel(p, p0 + q, k0, depth, scratch, q);
      product_rows(p, k0, depth, panels, p0, count, k0 ? 0 : bias, y, ldy, accumulate || k0 > 0);
    }
  }
}

/// Which tiles a product of a weight goes through.
APUS_INLINE panel_form product_form(const apus_weight *w, const apus_rows *x, int transposed) {
  if (linear_row_format(w->format) == APUS_ROWS_F32) return PANEL_F32;
#if APUS_BF16_DOT
  if (w->format == APUS_WEIGHT_BF16) return PANEL_BF16;
#endif
  return !transposed && x->count <= stored_rows ? PANEL_STORED : PANEL_PAIRS;
}

static void linear_forward(const apus_weight *w, const apus_rows *x, const float *bias, float *y, long ldy,
                           int accumulate, int panel_begin, int panel_end, float *scratch) {
  product p = {.weight = w, .rows = x, .depth = w->inputs, .columns = w->outputs,
               .block = w->format == APUS_WEIGHT_F32 || w->format == APUS_WEIGHT_BF16 ? 0 : w->group,
               .form = product_form(w, x, 0)};
  run_product(&p, bias, y, ldy, accumulate, panel_begin, panel_end, (linear_scratch *)scratch);
}

static void linear_backward(const apus_weight *w, const apus_rows *dy, int output_begin, int output_end, float *dx,
                            long lddx, int accumulate, int panel_begin, int panel_end, float *scratch) {
  product p = {.weight = w, .rows = dy, .transposed = 1, .depth_begin = output_begin,
               .depth = output_end - output_begin, .columns = w->inputs,
               .block = linear_row_format(w->format) == APUS_ROWS_FIXED ? linear_backward_block(w->outputs) : 0,
               .form = product_form(w, dy, 1)};
  run_product(&p, 0, dx, lddx, accumulate, panel_begin, panel_end, (linear_scratch *)scratch);
}

#define APUS_LINEAR_KERNELS                                                                              \
  {.panel_width = panel_width, .half_format = pairs_are_bf16 ? APUS_WEIGHT_BF16 : APUS_WEIGHT_FIXED,      \
   .backward_block = linear_backward_block, .row_format = linear_row_format,                               \
   .stored_width = linear_stored_width, .panel_bytes = linear_panel_bytes,                                \
   .scale_bytes = linear_scale_bytes,                                                                      \
   .pack = linear_pack, .pack_nf4 = linear_pack_nf4, .quantize_nf4 = linear_quantize_nf4,                 \
   .read_row = linear_read_row, .round_rows = linear_round_rows,                                          \
   .forward = linear_forward, .backward = linear_backward,                                                \
   .scratch_floats = sizeof(linear_scratch) / sizeof(float), .outer = linear_outer}
