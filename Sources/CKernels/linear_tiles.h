// Register tiles of the matrix products: a few rows by a few vectors of outputs, accumulated over the inner dimension.
#include "linear_pairs.h"

#if APUS_LANES == 16
enum { tile_rows = 8, tile_vectors = 3 };
#elif APUS_LANES == 8
enum { tile_rows = 6, tile_vectors = 2 };
#elif APUS_NEON && APUS_BF16_PAIRS
enum { tile_rows = 8, tile_vectors = 2 };
#elif APUS_NEON
// Integer products take their factors from the lower 16 registers only: eight rows would spill.
enum { tile_rows = 6, tile_vectors = 2 };
#else
enum { tile_rows = 4, tile_vectors = 2 };
#endif

enum {
  panel_width = tile_vectors * APUS_LANES,
  // Inner-dimension steps at a time: a whole number of panels (the backward direction) and of blocks of 64.
  depth_block = panel_width == 48 ? 192 : 256,
  // Outputs that share a scale in the backward direction: whole panels, at most 64.
  backward_block = panel_width == 48 ? 48 : pair_block,
  // Rows, all in one tile, for which NF4 codes become pairs in registers: their pairs are read once. NEON's products take
  // four factors at a time, from pairs that are written down.
#if APUS_NEON
  coded_rows = 0,
#else
  coded_rows = tile_rows,
#endif
  row_block = 4 * tile_rows,       // rows that share a block of panels while it is in cache
  panel_block = 8,                 // panels in compute form at once
  panel_floats = depth_block * panel_width,
  scale_floats = depth_block / backward_block * panel_width,
};

#include "linear_codes.h"

/// Where a tile begins: at zero, at the bias, or at what c holds already.
APUS_INLINE void tile_begin(vf acc[tile_rows][tile_vectors], int rows, const float *c, long ldc, const float *bias,
                            int accumulate) {
#pragma clang loop unroll(full)
  for (int i = 0; i < rows; i++)
#pragma clang loop unroll(full)
    for (int j = 0; j < tile_vectors; j++)
      acc[i][j] = accumulate ? vf_load(c + i * ldc + j * APUS_LANES)
                             : (bias ? vf_load(bias + j * APUS_LANES) : vf_zero());
}

APUS_INLINE void tile_end(vf acc[tile_rows][tile_vectors], int rows, float *c, long ldc) {
#pragma clang loop unroll(full)
  for (int i = 0; i < rows; i++)
#pragma clang loop unroll(full)
    for (int j = 0; j < tile_vectors; j++) vf_store(c + i * ldc + j * APUS_LANES, acc[i][j]);
}

/// c[rows][panel_width] over `depth` steps of a (element [i][k] at a[i * a_row + k * a_step]) and b ([k] at b + k * b_step).
APUS_INLINE void tile_f32(int rows, const float *a, long a_row, long a_step, const float *b, long b_step, int depth,
                          float *c, long ldc, const float *bias, int accumulate) {
  vf acc[tile_rows][tile_vectors];
  tile_begin(acc, rows, c, ldc, bias, accumulate);
  int k = 0;
#if APUS_NEON
  // As in tile_pair_steps.
  for (; a_step == 1 && k + 4 <= depth; k += 4) {
    vf x[tile_rows];
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++) x[i] = vf_load(a + i * a_row + k);
#pragma clang loop unroll(full)
    for (int l = 0; l < 4; l++)
#pragma clang loop unroll(full)
      for (int j = 0; j < tile_vectors; j++) {
        vf w = vf_load(b + (k + l) * b_step + j * APUS_LANES);
#pragma clang loop unroll(full)
        for (int i = 0; i < rows; i++) acc[i][j] = vf_fma(vf_set(x[i][l]), w, acc[i][j]);
      }
  }
#endif
  for (; k < depth; k++) {
    vf w[tile_vectors];
#pragma clang loop unroll(full)
    for (int j = 0; j < tile_vectors; j++) w[j] = vf_load(b + k * b_step + j * APUS_LANES);
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++) {
      vf x = vf_set(a[i * a_row + k * a_step]);
#pragma clang loop unroll(full)
      for (int j = 0; j < tile_vectors; j++) acc[i][j] = vf_fma(x, w[j], acc[i][j]);
    }
  }
  tile_end(acc, rows, c, ldc);
}

/// Adds `pairs` pairs of inner steps to the sums of a tile. b is pairs, or with `coded` the codes of NF4 weights.
APUS_INLINE void tile_pair_steps(pair_sum acc[tile_rows][tile_vectors], int rows, const pair *a, long a_row,
                                 const void *b, int pairs, int coded) {
  int k = 0;
#if APUS_NEON
  // Products take their factor from any lane: four of a row are one load, where each alone is a load and a broadcast.
  for (; !coded && k + 4 <= pairs; k += 4) {
    vu x[tile_rows];
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++) memcpy(&x[i], a + i * a_row + k, sizeof(vu));
#pragma clang loop unroll(full)
    for (int l = 0; l < 4; l++)
#pragma clang loop unroll(full)
      for (int j = 0; j < tile_vectors; j++) {
        vu w;
        memcpy(&w, (const pair *)b + (k + l) * panel_width + j * APUS_LANES, sizeof w);
#pragma clang loop unroll(full)
        for (int i = 0; i < rows; i++) acc[i][j] = pair_dot(acc[i][j], x[i][l], w);
      }
  }
#endif
#pragma clang loop unroll_count(2)
  for (; k < pairs; k++) {
    vu w[tile_vectors];
    if (coded)
      nf4_unpack_pairs((const uint8_t *)b + k * panel_width, (pair *)w);
    else
      memcpy(w, (const pair *)b + k * panel_width, sizeof w);
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++) {
      pair x = a[i * a_row + k];
#pragma clang loop unroll(full)
      for (int j = 0; j < tile_vectors; j++) acc[i][j] = pair_dot(acc[i][j], x, w[j]);
    }
  }
}

/// What a tile of pairs reads: rows a (element [i][k] at a[i * a_row + k]) and one panel b, each with its scales.
typedef struct {
  const pair *a;
  long a_row;
  const float *a_scales;  // [row][block], a_scale_row apart; unused with bf16
  long a_scale_row;
  const void *b;          // pairs, or with `coded` NF4 codes
  const float *b_scales;  // [block][panel_width]; NULL: none on either side
  int block;              // inner steps, not pairs
} pair_operands;

/// As tile_f32 on pairs. Each block is summed on its own and then added, times its scales.
APUS_INLINE void tile_pairs(int rows, const pair_operands *x, int depth, float *c, long ldc, const float *bias,
                            int accumulate, int coded) {
  vf sums[tile_rows][tile_vectors];
  tile_begin(sums, rows, c, ldc, bias, accumulate);
#if APUS_BF16_PAIRS
  if (!x->b_scales) {
    tile_pair_steps(sums, rows, x->a, x->a_row, x->b, (depth + 1) / 2, coded);
    tile_end(sums, rows, c, ldc);
    return;
  }
#endif
  const pair *a = x->a;
  const uint8_t *b = x->b;
  for (int k = 0, s = 0; k < depth; k += x->block, s++) {
    int pairs = ((depth - k < x->block ? depth - k : x->block) + 1) / 2;
    pair_sum acc[tile_rows][tile_vectors];
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++)
#pragma clang loop unroll(full)
      for (int j = 0; j < tile_vectors; j++) acc[i][j] = (pair_sum){0};
    tile_pair_steps(acc, rows, a, x->a_row, b, pairs, coded);
    a += pairs, b += (size_t)pairs * panel_width * (coded ? 1 : sizeof(pair));
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++)
#pragma clang loop unroll(full)
      for (int j = 0; j < tile_vectors; j++) {
        vf scale = vf_load(x->b_scales + s * panel_width + j * APUS_LANES);
        if (blocks_have_row_scales) scale = scale * x->a_scales[i * x->a_scale_row + s];
        sums[i][j] = vf_fma(pair_sum_value(acc[i][j]), scale, sums[i][j]);
      }
  }
  tile_end(sums, rows, c, ldc);
}

// A tile with fewer rows is its own instance, so that one row does not pay for eight.
#define APUS_ROW_CASES_4(call) \
  case 4: call(4); break; \
  case 3: call(3); break; \
  case 2: call(2); break; \
  case 1: call(1); break;
#define APUS_ROW_CASES_6(call) \
  case 6: call(6); break; \
  case 5: call(5); break; \
  APUS_ROW_CASES_4(call)
#define APUS_ROW_CASES_8(call) \
  case 8: call(8); break; \
  case 7: call(7); break; \
  APUS_ROW_CASES_6(call)
#if APUS_LANES == 16 || (APUS_NEON && APUS_BF16_PAIRS)
#define APUS_ROW_CASES APUS_ROW_CASES_8
#elif APUS_LANES == 8 || APUS_NEON
#define APUS_ROW_CASES APUS_ROW_CASES_6
#else
#define APUS_ROW_CASES APUS_ROW_CASES_4
#endif

static void tile_f32_rows(int rows, const float *a, long a_row, long a_step, const float *b, long b_step, int depth,
                          float *c, long ldc, const float *bias, int accumulate) {
#define APUS_CALL(n) tile_f32(n, a, a_row, a_step, b, b_step, depth, c, ldc, bias, accumulate)
  switch (rows) { APUS_ROW_CASES(APUS_CALL) }
#undef APUS_CALL
}

static void tile_pairs_rows(int rows, const pair_operands *x, int depth, float *c, long ldc, const float *bias,
                            int accumulate) {
#define APUS_CALL(n) tile_pairs(n, x, depth, c, ldc, bias, accumulate, 0)
  switch (rows) { APUS_ROW_CASES(APUS_CALL) }
#undef APUS_CALL
}

/// The same on codes of NF4 weights, which become pairs in registers.
static void tile_codes_rows(int rows, const pair_operands *x, int depth, float *c, long ldc, const float *bias,
                            int accumulate) {
#define APUS_CALL(n) tile_pairs(n, x, depth, c, ldc, bias, accumulate, 1)
  switch (rows) { APUS_ROW_CASES(APUS_CALL) }
#undef APUS_CALL
}
