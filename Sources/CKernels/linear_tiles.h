// Register tiles of the matrix products: a few rows by a few vectors of outputs, accumulated over the inner dimension.
#if APUS_LANES == 16
enum { tile_rows = 6, tile_vectors = 4 };
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
  // Inner-dimension steps at a time, a whole number of panels and of blocks of 64: a panel of pairs and the rows that
  // meet it fit the first-level cache; on Zen 4 a second-level cache that is read as fast lets sums stay in registers.
#if APUS_ZEN
  depth_block = 384, panel_block = 4,
#else
  depth_block = APUS_LANES == 16 ? 192 : 256, panel_block = 8,  // panels in compute form at once
#endif
  // The most outputs that share a scale in the backward direction: whole panels.
  most_backward_block = 64,
  // Rows that one tile takes where codes become pairs in registers: with 16 lanes more than a tile's, by half of its
  // vectors at a time. For up to `stored_rows` tiles read panels as they are stored: unpacking hides behind products,
  // and pairs that are written down must be read again. On Zen 4 that holds for any number of rows; where look-ups compete
  // with products for execution units many rows gain from pairs that are written down. NEON's products take four factors
  // at a time, from such pairs.
#if APUS_NEON
  coded_rows = 0, stored_rows = 0,
#elif APUS_ZEN
  coded_rows = 10, stored_rows = INT32_MAX,
#elif APUS_LANES == 16
  coded_rows = 10, stored_rows = 24,
#else
  coded_rows = tile_rows, stored_rows = tile_rows,
#endif
  most_rows = coded_rows > tile_rows ? coded_rows : tile_rows,
  row_block = 4 * tile_rows,  // rows that share a block of panels while it is in cache
  panel_floats = depth_block * panel_width,
  // Groups whose scales are brought to fp32 at a time: with the smallest groups, of two, less than a block of the inner
  // dimension, and no more than stays in the first-level cache.
  scale_groups = 64,
  scale_floats = scale_groups * panel_width,
  // Bytes by which weights are asked for ahead of time, into the second-level cache: hardware prefetchers stop at pages
  // of 4 KiB, and a tile does not run far enough ahead of itself. Asking past the end is harmless.
  stream_ahead = 8192,
};

#include "linear_pairs.h"

#include "linear_codes.h"

/// Where a tile begins: at zero, at the bias, or at what c holds already.
APUS_INLINE void tile_begin(vf acc[most_rows][tile_vectors], int rows, int vectors, const float *c, long ldc,
                            const float *bias, int accumulate) {
#pragma clang loop unroll(full)
  for (int i = 0; i < rows; i++)
#pragma clang loop unroll(full)
    for (int j = 0; j < vectors; j++)
      acc[i][j] = accumulate ? vf_load(c + i * ldc + j * APUS_LANES)
                             : (bias ? vf_load(bias + j * APUS_LANES) : vf_zero());
}

APUS_INLINE void tile_end(vf acc[most_rows][tile_vectors], int rows, int vectors, float *c, long ldc) {
#pragma clang loop unroll(full)
  for (int i = 0; i < rows; i++)
#pragma clang loop unroll(full)
    for (int j = 0; j < vectors; j++) vf_store(c + i * ldc + j * APUS_LANES, acc[i][j]);
}

/// c[rows][panel_width] over `depth` steps of a (element [i][k] at a[i * a_row + k * a_step]) and b ([k] at b + k * b_step).
APUS_INLINE void tile_f32(int rows, const float *a, long a_row, long a_step, const float *b, long b_step, int depth,
                          float *c, long ldc, const float *bias, int accumulate) {
  vf acc[most_rows][tile_vectors];
  tile_begin(acc, rows, tile_vectors, c, ldc, bias, accumulate);
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
  tile_end(acc, rows, tile_vectors, c, ldc);
}

/// What of a panel a tile multiplies: how it is stored, and which of its vectors.
typedef struct {
  apus_weight_format format;  // NF4 and INT8 are unpacked in registers; any other stands for pairs
  int bf16;                   // pairs are of bf16 numbers
  int streams;                // vectors from `first` on that come from memory and are asked for ahead
  int first, vectors;
} panel_part;

/// Adds `pairs` pairs of inner steps to the sums of a tile; from one to the next it is `step` bytes.
APUS_INLINE void tile_pair_steps(vi acc[most_rows][tile_vectors], int rows, const pair *a, long a_row,
                                 const uint8_t *b, size_t step, int pairs, panel_part part) {
  int k = 0;
#if APUS_NEON
  // Products take their factor from any lane: four of a row are one load, where each alone is a load and a broadcast.
  for (; k + 4 <= pairs; k += 4) {
    vu x[tile_rows];
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++) memcpy(&x[i], a + i * a_row + k, sizeof(vu));
#pragma clang loop unroll(full)
    for (int l = 0; l < 4; l++)
#pragma clang loop unroll(full)
      for (int j = 0; j < part.vectors; j++) {
        vu w;
        unpack_pairs(part.format, b + (k + l) * step, part.first + j, 1, &w);
#pragma clang loop unroll(full)
        for (int i = 0; i < rows; i++) acc[i][j] = pair_dot(acc[i][j], x[i][l], w, part.bf16);
      }
  }
#endif
#pragma clang loop unroll_count(2)
  for (; k < pairs; k++) {
    vu w[tile_vectors];
    unpack_pairs(part.format, b + k * step, part.first, part.vectors, w);
#pragma clang loop unroll(full)
    for (size_t byte = 0; byte < pair_bytes(part.format, part.streams * APUS_LANES); byte += 64)
      __builtin_prefetch(b + k * step + byte + stream_ahead, 0, 2);
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++) {
      pair x = a[i * a_row + k];
#pragma clang loop unroll(full)
      for (int j = 0; j < part.vectors; j++) acc[i][j] = pair_dot(acc[i][j], x, w[j], part.bf16);
    }
  }
}

/// What a tile of pairs reads: rows a (element [i][k] at a[i * a_row + k]) and one panel b, each with its scales.
typedef struct {
  const pair *a;
  long a_row;
  const float *a_scales;  // [row][block], a_scale_row apart; unused with bf16
  long a_scale_row;
  const uint8_t *b;
  const float *b_scales;  // [block][b_width]; NULL: none on either side
  int b_width;            // outputs of the panel, of which half a tile may read half
  int block;              // inner steps, not pairs
} pair_operands;

/// Outputs from one step of the panel to the next: known to the compiler where the panel is whole.
APUS_INLINE int tile_width(const pair_operands *x, panel_part part) {
  return part.vectors < tile_vectors && part.format == APUS_WEIGHT_FIXED ? x->b_width : panel_width;
}

/// Adds the sums of one block, times its scales.
APUS_INLINE void tile_add_block(vf sums[most_rows][tile_vectors], vi acc[most_rows][tile_vectors], int rows,
                                const pair_operands *x, int s, panel_part part) {
  const float *scales = x->b_scales + s * tile_width(x, part) + part.first * APUS_LANES;
#pragma clang loop unroll(full)
  for (int j = 0; j < part.vectors; j++) {
    vf b_scale = vf_load(scales + j * APUS_LANES);
    if (part.streams && part.format != APUS_WEIGHT_NF4)
      __builtin_prefetch((const char *)(scales + j * APUS_LANES) + stream_ahead / 8, 0, 2);
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++) {
      vf scale = part.bf16 ? b_scale : b_scale * x->a_scales[i * x->a_scale_row + s];
      sums[i][j] = vf_fma(pair_sum_value(acc[i][j], part.bf16), scale, sums[i][j]);
    }
  }
}

/// As tile_f32 on pairs. Each block is summed on its own and then added, times its scales.
APUS_INLINE void tile_pairs(int rows, const pair_operands *x, int depth, float *c, long ldc, const float *bias,
                            int accumulate, panel_part part) {
  const int vectors = part.vectors;
  const size_t step = pair_bytes(part.format, tile_width(x, part));
  vf sums[most_rows][tile_vectors];
  tile_begin(sums, rows, vectors, c, ldc, bias, accumulate);
  if (!x->b_scales) {
    // Without scales a sum of integers would have no meaning: these are bf16 numbers, in one chain from begin to end.
    vi acc[most_rows][tile_vectors];
    memcpy(acc, sums, sizeof acc);
    tile_pair_steps(acc, rows, x->a, x->a_row, x->b, step, (depth + 1) / 2, part);
    memcpy(sums, acc, sizeof sums);
    tile_end(sums, rows, vectors, c, ldc);
    return;
  }
  const pair *a = x->a;
  const uint8_t *b = x->b;
  const int pairs = x->block / 2;
  for (int k = 0, s = 0; k < depth; k += x->block, s++) {
    vi acc[most_rows][tile_vectors];
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++)
#pragma clang loop unroll(full)
      for (int j = 0; j < vectors; j++) acc[i][j] = (vi){0};
    tile_pair_steps(acc, rows, a, x->a_row, b, step, pairs, part);
    a += pairs, b += pairs * step;
    tile_add_block(sums, acc, rows, x, s, part);
  }
  tile_end(sums, rows, vectors, c, ldc);
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
#define APUS_ROW_CASES_7_TO_10(call) \
  case 10: call(10); break; \
  case 9: call(9); break; \
  case 8: call(8); break; \
  case 7: call(7); break;
#if APUS_NEON && APUS_BF16_PAIRS
#define APUS_ROW_CASES APUS_ROW_CASES_8
#elif APUS_LANES >= 8 || APUS_NEON
#define APUS_ROW_CASES APUS_ROW_CASES_6
#else
#define APUS_ROW_CASES APUS_ROW_CASES_4
#endif

static __attribute__((noinline)) void tile_f32_rows(int rows, const float *a, long a_row, long a_step, const float *b, long b_step, int depth,
                          float *c, long ldc, const float *bias, int accumulate) {
#define APUS_CALL(n) tile_f32(n, a, a_row, a_step, b, b_step, depth, c, ldc, bias, accumulate)
  switch (rows) { APUS_ROW_CASES(APUS_CALL) }
#undef APUS_CALL
}

// One function for each stored form, so that each has its own loops.
#define APUS_CALL(n) tile_pairs(n, x, depth, c, ldc, bias, accumulate, whole)
#define APUS_CALL_HALVES(n)                                                                                    \
  tile_pairs(n, x, depth, c, ldc, bias, accumulate, left),                                                     \
      tile_pairs(n, x, depth, c + panel_width / 2, ldc, bias ? bias + panel_width / 2 : 0, accumulate, right)
#define APUS_TILE_FUNCTION(name, form, is_bf16, is_streamed, cases)                                            \
  static __attribute__((noinline)) void name(int rows, const pair_operands *x, int depth, float *c, long ldc, const float *bias,         \
                   int accumulate) {                                                                           \
    const panel_part whole = {form, is_bf16, is_streamed * tile_vectors, 0, tile_vectors};                     \
    const panel_part left = {form, is_bf16, is_streamed * tile_vectors, 0, tile_vectors / 2};                  \
    const panel_part right = {form, is_bf16, 0, tile_vectors / 2, tile_vectors / 2};                           \
    const panel_part half = {form, is_bf16, is_streamed * tile_vectors / 2, 0, tile_vectors / 2};              \
    (void)whole, (void)left, (void)right, (void)half;                                                                                 \
    switch (rows) { cases }                                                                                    \
  }
#define APUS_CALL_HALF(n) tile_pairs(n, x, depth, c, ldc, bias, accumulate, half)
#if APUS_LANES == 16
#define APUS_CODED_CASES APUS_ROW_CASES_6(APUS_CALL) APUS_ROW_CASES_7_TO_10(APUS_CALL_HALVES)
#define APUS_CODED_LEFT_CASES APUS_ROW_CASES_6(APUS_CALL_HALF) APUS_ROW_CASES_7_TO_10(APUS_CALL_HALF)
#else
#define APUS_CODED_CASES APUS_ROW_CASES(APUS_CALL)
#define APUS_CODED_LEFT_CASES APUS_ROW_CASES(APUS_CALL_HALF)
#endif

APUS_TILE_FUNCTION(tile_pairs_rows, APUS_WEIGHT_FIXED, pairs_are_bf16, 0, APUS_ROW_CASES(APUS_CALL))
/// On codes, which become pairs in registers, and on pairs that come from memory.
APUS_TILE_FUNCTION(tile_nf4_rows, APUS_WEIGHT_NF4, pairs_are_bf16, 1, APUS_CODED_CASES)
APUS_TILE_FUNCTION(tile_int8_rows, APUS_WEIGHT_INT8, pairs_are_bf16, 1, APUS_CODED_CASES)
APUS_TILE_FUNCTION(tile_stream_rows, APUS_WEIGHT_FIXED, pairs_are_bf16, 1, APUS_CODED_CASES)
/// Of panels whose right half is empty, as an adapter's narrow side leaves it.
APUS_TILE_FUNCTION(tile_left_pairs_rows, APUS_WEIGHT_FIXED, pairs_are_bf16, 0, APUS_ROW_CASES(APUS_CALL_HALF))
APUS_TILE_FUNCTION(tile_left_stream_rows, APUS_WEIGHT_FIXED, pairs_are_bf16, 1, APUS_CODED_LEFT_CASES)
#if APUS_BF16_DOT
APUS_TILE_FUNCTION(tile_bf16_rows, APUS_WEIGHT_BF16, 1, 0, APUS_ROW_CASES(APUS_CALL))
#endif
