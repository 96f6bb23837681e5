// The small fp32 product of attention: most of the backward pass, and what reads fp32 pages. Operands are a few pages
// and a few queries: near caches hold them and they need no packing.
//
// Each element of c is ONE chain over the depth, in ascending order. Its bits therefore depend on its own row of a and
// column of b alone, whatever rows it is tiled with.

/// Rows of a that share one load of b: with two vectors of b they fill the registers with accumulators.
#if APUS_LANES == 16 || APUS_NEON
enum { ATTENTION_TILE_ROWS = 8 };
#else
enum { ATTENTION_TILE_ROWS = 6 };
#endif

/// c = a b, or c += a b. Element (i, k) of a lies at a[i * a_row + k * a_step], so a may also be read transposed.
typedef struct {
  const float *a;
  long a_row, a_step;
  const float *b;
  long b_row;
  float *c;
  long c_row;
  int rows, columns, depth;  // columns: a multiple of 16
  int adds;
} attention_product;

/// `rows` x (`vectors` * APUS_LANES) elements of c at (row, column). Inlined with constant rows and vectors, so that the
/// accumulators are registers.
APUS_INLINE void attention_tile(const attention_product *x, int row, int column, int rows, int vectors) {
  vf sum[ATTENTION_TILE_ROWS][2];
  float *c = x->c + row * x->c_row + column;
  for (int i = 0; i < rows; i++)
    for (int j = 0; j < vectors; j++)
      sum[i][j] = x->adds ? vf_load(c + i * x->c_row + j * APUS_LANES) : vf_zero();
  // One base for each row and one running offset: a single row pointer would be moved along a chain of additions.
  const float *left[ATTENTION_TILE_ROWS], *b = x->b + column;
  for (int i = 0; i < rows; i++) left[i] = x->a + (row + i) * x->a_row;
  const long step = x->a_step, b_row = x->b_row, end = x->depth * step;
  for (long k = 0; k != end; k += step, b += b_row) {
    vf right[2];
    for (int j = 0; j < vectors; j++) right[j] = vf_load(b + j * APUS_LANES);
    for (int i = 0; i < rows; i++)
      for (int j = 0; j < vectors; j++) sum[i][j] = vf_fma(vf_set(left[i][k]), right[j], sum[i][j]);
  }
  for (int i = 0; i < rows; i++)
    for (int j = 0; j < vectors; j++) vf_store(c + i * x->c_row + j * APUS_LANES, sum[i][j]);
}

APUS_INLINE void attention_strip(const attention_product *x, int row, int column, int rows, int vectors) {
  switch (rows) {
    case 1: attention_tile(x, row, column, 1, vectors); break;
    case 2: attention_tile(x, row, column, 2, vectors); break;
    case 3: attention_tile(x, row, column, 3, vectors); break;
    case 4: attention_tile(x, row, column, 4, vectors); break;
    case 5: attention_tile(x, row, column, 5, vectors); break;
    case 6: attention_tile(x, row, column, 6, vectors); break;
#if APUS_LANES == 16 || APUS_NEON
    case 7: attention_tile(x, row, column, 7, vectors); break;
    case 8: attention_tile(x, row, column, 8, vectors); break;
#endif
  }
}

/// All rows of the columns column ..< column + vectors * APUS_LANES.
APUS_INLINE void attention_columns(const attention_product *x, int column, int vectors) {
  // Rows are dealt out evenly: 7 as 4 + 3, not 6 + 1, because a tile of one row waits for its own additions.
  int tiles = (x->rows + ATTENTION_TILE_ROWS - 1) / ATTENTION_TILE_ROWS;
  for (int row = 0; tiles > 0; tiles--) {
    int rows = (x->rows - row + tiles - 1) / tiles;
    attention_strip(x, row, column, rows, vectors);
    row += rows;
  }
}

static __attribute__((noinline)) void attention_multiply(attention_product x) {
  int column = 0;
  for (; column + 2 * APUS_LANES <= x.columns; column += 2 * APUS_LANES) attention_columns(&x, column, 2);
  if (column < x.columns) attention_columns(&x, column, 1);
}
