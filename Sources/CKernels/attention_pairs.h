// Attention's two products on 16-bit pages: queries with keys, pairs along the head, and weights with values, pairs along
// positions. Integers multiply and add exactly for a block of 32 elements, or of 64 positions; blocks are added in fp32,
// in ascending order. An element's bits depend on its own query and its own keys, whatever it is tiled with.
//
// Several pages are met at once, so that a tile of few queries has enough independent sums in flight.

/// Pages that are met together, and positions in them.
enum { ATTENTION_BLOCK_PAGES = 4, ATTENTION_BLOCK = ATTENTION_BLOCK_PAGES * APUS_PAGE_TOKENS };

// Queries and vectors of a tile: with one vector of factors and those of the pages they fill the registers.
enum { ATTENTION_PAIR_ROWS = 6, ATTENTION_PAIR_VECTORS = APUS_LANES == 16 ? 4 : 2 };

/// Up to four pages of one key/value head, in ascending order; past the last one it is repeated. `next` is what will be
/// read a block later.
typedef struct {
  const char *page[ATTENTION_BLOCK_PAGES], *next[ATTENTION_BLOCK_PAGES];
  int pages;
} attention_block;

/// Some queries that meet a block: their pairs along the head, and where their scores go.
typedef struct {
  const attention_block *block;
  const pair *query;  // [query][size / 2]
  const float *units;           // [query][blocks of 32 elements]
  float *scores;                // [query][`row`], at the block's first position
  long row;
  int size;
} attention_pair_scores;

/// Scores of `rows` queries with `vectors` vectors of positions, from the block's vector `first` on.
APUS_INLINE void attention_score_tile(const attention_pair_scores *x, int query, int first, int vectors, int prefetches,
                                      int rows) {
  const long half = x->size / 2, blocks = apus_key_blocks(x->size), scale_at = attention_key_scales(x->size);
  const char *keys[ATTENTION_PAIR_VECTORS], *next[ATTENTION_PAIR_VECTORS];
  for (int j = 0; j < vectors; j++) {
    const int page = (first + j) / ATTENTION_PAGE_VECTORS, lane = (first + j) % ATTENTION_PAGE_VECTORS * APUS_LANES;
    keys[j] = x->block->page[page] + 4 * lane, next[j] = x->block->next[page] + 4 * lane;
  }
  const pair *a = x->query + query * half;
  const float *units = x->units + query * blocks;
  float *out = x->scores + query * x->row + first * APUS_LANES;
  for (long b = 0; b < blocks; b++) {
    const long begin = b * (APUS_KEY_BLOCK / 2), rest = half - begin;
    const long end = begin + (rest < APUS_KEY_BLOCK / 2 ? rest : APUS_KEY_BLOCK / 2);
    vi sum[ATTENTION_PAIR_ROWS][ATTENTION_PAIR_VECTORS];
    for (int i = 0; i < rows; i++)
      for (int j = 0; j < vectors; j++) sum[i][j] = (vi){0};
    for (long k = begin; k < end; k++) {
      vu right[ATTENTION_PAIR_VECTORS];
      for (int j = 0; j < vectors; j++) right[j] = attention_load_pairs((const pair *)(keys[j] + 64 * k));
      if (prefetches)
        for (int j = 0; j < vectors; j++) __builtin_prefetch(next[j] + 64 * k, 0, 2);
      for (int i = 0; i < rows; i++)
        for (int j = 0; j < vectors; j++) sum[i][j] = fixed_dot(sum[i][j], a[i * half + k], right[j]);
    }
    for (int j = 0; j < vectors; j++) {
      const vf scale = vf_load((const float *)(keys[j] + scale_at + 64 * b));
      // With the last block's the values' scales.
      if (prefetches) __builtin_prefetch(next[j] + scale_at + 64 * b, 0, 2);
      if (prefetches && b + 1 == blocks) __builtin_prefetch(next[j] + scale_at + 64 * blocks, 0, 2);
      for (int i = 0; i < rows; i++) {
        float *to = out + i * x->row + j * APUS_LANES;
        const vf unit = scale * units[i * blocks + b], value = __builtin_convertvector(sum[i][j], vf);
        vf_store(to, b == 0 ? value * unit : vf_fma(value, unit, vf_load(to)));
      }
    }
  }
}

/// Some queries' weights, a block's as pairs along positions, and where they add up the values.
typedef struct {
  const attention_block *block;
  const pair *weights;  // [query][`row`], at the block's first position
  const float *units;             // [query][`unit_row`]
  float *sum;                     // [query][W]
  long row, unit_row;
  int size;
} attention_pair_values;

/// Adds the block's values to `rows` queries' sums, `vectors` vectors of elements from `column` on.
APUS_INLINE void attention_value_tile(const attention_pair_values *x, int query, int column, int vectors,
                                      int prefetches, int rows) {
  const long width = apus_padded_head(x->size), at = attention_fixed_values(x->size) + 4 * column;
  const pair *a = x->weights + query * x->row;
  vi sum[ATTENTION_PAIR_ROWS][ATTENTION_PAIR_VECTORS];
  for (int i = 0; i < rows; i++)
    for (int j = 0; j < vectors; j++) sum[i][j] = (vi){0};
  for (int page = 0; page < x->block->pages; page++, a += APUS_PAGE_TOKENS / 2) {
    const char *b = x->block->page[page] + at, *next = x->block->next[page] + at;
    for (long k = 0; k < APUS_PAGE_TOKENS / 2; k++, b += 4 * width, next += 4 * width) {
      vu right[ATTENTION_PAIR_VECTORS];
      for (int j = 0; j < vectors; j++)
        right[j] = attention_load_pairs((const pair *)(b + 4 * j * APUS_LANES));
      if (prefetches)
        for (int j = 0; j < vectors; j++) __builtin_prefetch(next + 4 * j * APUS_LANES, 0, 2);
      for (int i = 0; i < rows; i++)
        for (int j = 0; j < vectors; j++) sum[i][j] = fixed_dot(sum[i][j], a[i * x->row + k], right[j]);
    }
  }
  for (int i = 0; i < rows; i++) {
    const vf unit = vf_set(x->units[(query + i) * x->unit_row]);
    for (int j = 0; j < vectors; j++) {
      float *to = x->sum + (query + i) * width + column + j * APUS_LANES;
      vf_store(to, vf_fma(__builtin_convertvector(sum[i][j], vf), unit, vf_load(to)));
    }
  }
}

#define ATTENTION_PAIR_TILE(tile, rows, ...)  \
  switch (rows) {                             \
    case 1: tile(__VA_ARGS__, 1); break;      \
    case 2: tile(__VA_ARGS__, 2); break;      \
    case 3: tile(__VA_ARGS__, 3); break;      \
    case 4: tile(__VA_ARGS__, 4); break;      \
    case 5: tile(__VA_ARGS__, 5); break;      \
    default: tile(__VA_ARGS__, 6);            \
  }

// The queries are dealt out evenly: 7 as 4 + 3, not 6 + 1. The first of them ask for what comes a block later.
#define ATTENTION_PAIR_STRIP(tile, x, queries, at, vectors)                                        \
  for (int row = 0, tiles = (queries + ATTENTION_PAIR_ROWS - 1) / ATTENTION_PAIR_ROWS; tiles > 0; tiles--) { \
    const int rows = (queries - row + tiles - 1) / tiles;                                          \
    ATTENTION_PAIR_TILE(tile, rows, x, row, at, vectors, row == 0)                                 \
    row += rows;                                                                                   \
  }

static __attribute__((noinline)) void attention_score_pairs(attention_pair_scores x, int queries) {
  const int end = x.block->pages * ATTENTION_PAGE_VECTORS;
  int first = 0;
  for (; first + ATTENTION_PAIR_VECTORS <= end; first += ATTENTION_PAIR_VECTORS)
    ATTENTION_PAIR_STRIP(attention_score_tile, &x, queries, first, ATTENTION_PAIR_VECTORS)
#if APUS_LANES == 16
  if (first + 2 <= end) {
    ATTENTION_PAIR_STRIP(attention_score_tile, &x, queries, first, 2)
    first += 2;
  }
  if (first < end) ATTENTION_PAIR_STRIP(attention_score_tile, &x, queries, first, 1)
#endif
}

static __attribute__((noinline)) void attention_value_pairs(attention_pair_values x, int queries) {
  const int end = (int)apus_padded_head(x.size), most = ATTENTION_PAIR_VECTORS * APUS_LANES;
  int column = 0;
  for (; column + most <= end; column += most)
    ATTENTION_PAIR_STRIP(attention_value_tile, &x, queries, column, ATTENTION_PAIR_VECTORS)
#if APUS_LANES == 16
  if (column + 2 * APUS_LANES <= end) {
    ATTENTION_PAIR_STRIP(attention_value_tile, &x, queries, column, 2)
    column += 2 * APUS_LANES;
  }
  if (column < end) ATTENTION_PAIR_STRIP(attention_value_tile, &x, queries, column, 1)
#endif
}
