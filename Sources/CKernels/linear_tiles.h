// Register tiles of the matrix products: a few rows by a few vectors of outputs, accumulated over the inner dimension.
#if APUS_LANES == 16
enum { tile_rows = 8, tile_vectors = 3 };
#elif APUS_LANES == 8
enum { tile_rows = 6, tile_vectors = 2 };
#else
enum { tile_rows = 4, tile_vectors = 2 };
#endif

enum {
  panel_width = tile_vectors * APUS_LANES,
  depth_block = 256 / panel_width * panel_width,  // inner-dimension steps a block; even, a whole number of panels
  row_block = 8 * tile_rows,       // rows that share a block of panels while it is in cache
  panel_block = 8,                 // panels in compute form at once
  panel_block_floats = panel_block * depth_block * panel_width,
  row_block_floats = row_block * depth_block,
};

/// What the inner loop reads: the layout of one panel in compute form.
#if APUS_PAIR_DOT
enum { computes_in_pairs = 1 };
#else
enum { computes_in_pairs = 0 };
#endif

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
  for (int k = 0; k < depth; k++) {
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

#if APUS_PAIR_DOT
/// acc + a.even * b.even + a.odd * b.odd for bf16 pairs.
APUS_INLINE vf pair_dot(vf acc, uint32_t a, vu b) {
#if APUS_AVX512
  return (vf)_mm512_dpbf16_ps((__m512)acc, (__m512bh)_mm512_set1_epi32((int)a), (__m512bh)b);
#else
  float even = float_from_bf16((uint16_t)a), odd = float_from_bf16((uint16_t)(a >> 16));
  return vf_fma((vf)(b & 0xFFFF0000u), vf_set(odd), vf_fma((vf)(b << 16), vf_set(even), acc));
#endif
}

/// As tile_f32 on bf16 pairs: a[i * a_row + k] and b[k * panel_width] are pairs of consecutive inner steps.
APUS_INLINE void tile_pairs(int rows, const uint32_t *a, long a_row, const uint32_t *b, int pairs, float *c, long ldc,
                            const float *bias, int accumulate) {
  vf acc[tile_rows][tile_vectors];
  tile_begin(acc, rows, c, ldc, bias, accumulate);
  for (int k = 0; k < pairs; k++) {
    vu w[tile_vectors];
#pragma clang loop unroll(full)
    for (int j = 0; j < tile_vectors; j++) memcpy(&w[j], b + k * panel_width + j * APUS_LANES, sizeof(vu));
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++) {
      uint32_t x = a[i * a_row + k];
#pragma clang loop unroll(full)
      for (int j = 0; j < tile_vectors; j++) acc[i][j] = pair_dot(acc[i][j], x, w[j]);
    }
  }
  tile_end(acc, rows, c, ldc);
}
#endif

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
#if APUS_LANES == 16
#define APUS_ROW_CASES APUS_ROW_CASES_8
#elif APUS_LANES == 8
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

#if APUS_PAIR_DOT
static void tile_pairs_rows(int rows, const uint32_t *a, long a_row, const uint32_t *b, int pairs, float *c, long ldc,
                            const float *bias, int accumulate) {
#define APUS_CALL(n) tile_pairs(n, a, a_row, b, pairs, c, ldc, bias, accumulate)
  switch (rows) { APUS_ROW_CASES(APUS_CALL) }
#undef APUS_CALL
}
#endif
