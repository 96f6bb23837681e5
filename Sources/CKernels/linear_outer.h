// Sums of outer products: the gradients of weights and of adapters.
enum {
  // Rows of both sides that are summed before the sum is added to the result.
  outer_block = 64,
  // The register tile: two vectors of columns, so that an adapter's rank of 32 fills it.
#if APUS_LANES == 16
  outer_rows = 8,
#else
  outer_rows = tile_rows,
#endif
  outer_vectors = 2,
  outer_columns = outer_vectors * APUS_LANES,
  outer_chunk = 8 * outer_rows,  // columns of the left side that are copied together
};

/// `count` columns of some rows side by side, [rows][width], and zeros.
///
/// Rows that lie a multiple of 2 KiB apart would all fall into the same few sets of the first-level cache.
APUS_INLINE void outer_copy(const float *from, long ld, int rows, int count, int width, float *to) {
  if (count < width) memset(to, 0, sizeof(float) * (size_t)rows * width);
  for (int k = 0; k < rows; k++) {
    // A constant count makes a copy a few moves.
    if (count == width)
      memcpy(to + k * width, from + k * ld, sizeof(float) * (size_t)width);
    else
      memcpy(to + k * width, from + k * ld, sizeof(float) * (size_t)count);
  }
}

/// Adds alpha times the products of some columns of the left side with those of the right to c[rows][columns].
/// Meanwhile it asks for a line of each row at `ahead`: many at once would hold up everything behind them.
APUS_INLINE void outer_tile(int rows, const float *left, const float *right, int depth, float alpha, float *c, long ldc,
                            int columns, const float *ahead, long ahead_ld) {
  vf sums[outer_rows][outer_vectors];
#pragma clang loop unroll(full)
  for (int i = 0; i < rows; i++)
#pragma clang loop unroll(full)
    for (int j = 0; j < outer_vectors; j++) sums[i][j] = vf_zero();
  for (int k = 0; k < depth; k++) {
    __builtin_prefetch(ahead + k * ahead_ld, 0, 3);
    vf w[outer_vectors];
#pragma clang loop unroll(full)
    for (int j = 0; j < outer_vectors; j++) w[j] = vf_load(right + k * outer_columns + j * APUS_LANES);
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++) {
      vf x = vf_set(left[k * outer_chunk + i]);
#pragma clang loop unroll(full)
      for (int j = 0; j < outer_vectors; j++) sums[i][j] = vf_fma(x, w[j], sums[i][j]);
    }
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < rows; i++)
#pragma clang loop unroll(full)
    for (int j = 0; j < outer_vectors; j++) {
      float *to = c + i * ldc + j * APUS_LANES;
      const int here = columns - j * APUS_LANES;
      if (here > 0) store_part(to, vf_fma(vf_set(alpha), sums[i][j], load_part(to, here)), here);
    }
}

static __attribute__((noinline)) void outer_tile_rows(int rows, const float *left, const float *right, int depth,
                                                      float alpha, float *c, long ldc, int columns,
                                                      const float *ahead, long ahead_ld) {
#define APUS_OUTER_CALL(n) outer_tile(n, left, right, depth, alpha, c, ldc, columns, ahead, ahead_ld)
#if APUS_LANES == 16
  switch (rows) { APUS_ROW_CASES_8(APUS_OUTER_CALL) }
#else
  switch (rows) { APUS_ROW_CASES(APUS_OUTER_CALL) }
#endif
#undef APUS_OUTER_CALL
}

static void linear_outer(const float *a, long lda, const float *b, long ldb, int rows, float alpha, float *c, long ldc,
                         int i_begin, int i_end, int columns) {
  float left[outer_block * outer_chunk], right[outer_block * outer_columns];
  for (int r0 = 0; r0 < rows; r0 += outer_block) {
    const int depth = rows - r0 < outer_block ? rows - r0 : outer_block;
    const float *a0 = a + r0 * lda, *b0 = b + r0 * ldb;
    for (int i0 = i_begin; i0 < i_end; i0 += outer_chunk) {
      const int count = i_end - i0 < outer_chunk ? i_end - i0 : outer_chunk;
      outer_copy(a0 + i0, lda, depth, count, outer_chunk, left);
      for (int j0 = 0; j0 < columns; j0 += outer_columns) {
        const int width = columns - j0 < outer_columns ? columns - j0 : outer_columns;
        // All of a narrow right side is there already.
        if (i0 == i_begin || columns > outer_columns) outer_copy(b0 + j0, ldb, depth, width, outer_columns, right);
        // What is copied next: of the right side, and at its end of the left.
        const int ends = j0 + outer_columns >= columns;
        const float *ahead = i0 + outer_chunk < i_end ? a0 + i0 + outer_chunk : a0 + outer_block * lda + i_begin;
        if (!ends) ahead = b0 + j0 + outer_columns;
        for (int i = 0; i < count; i += outer_rows)
          outer_tile_rows(count - i < outer_rows ? count - i : outer_rows, left + i, right, depth, alpha,
                          c + (i0 + i) * ldc + j0, ldc, width, ahead + i / outer_rows * 16, ends ? lda : ldb);
      }
    }
  }
}
