// The queries of one key/value head, as the pages' format wants them, and their scores with a block of pages. Sampling,
// training and the backward pass take scores from here: the same bits.

/// Queries side by side; what nobody needs is NULL. Fp32 pages meet floats, 16-bit pages meet pairs.
typedef struct {
  pair *pairs;  // [query][size / 2]
  float *units;           // [query][blocks of 32 elements]; scale and log2(e) are folded into them
  float *floats;          // [query][W], times scale and log2(e)
} attention_queries;

/// Floats of scratch for `queries` queries.
APUS_INLINE long attention_query_floats(const apus_pages *pages, long queries, int pairs, int floats) {
  const long size = pages->head_size;
  return (pairs ? attention_round_up(queries * (size / 2)) + attention_round_up(queries * apus_key_blocks(size)) : 0) +
         (floats ? queries * apus_padded_head(size) : 0);
}

/// Their places in scratch that is aligned.
APUS_INLINE attention_queries attention_place_queries(const apus_pages *pages, long queries, float *scratch, int pairs,
                                                      int floats) {
  const long size = pages->head_size;
  attention_queries q = {0};
  if (floats) q.floats = scratch, scratch += queries * apus_padded_head(size);
  if (pairs) q.pairs = (pair *)scratch, q.units = scratch + attention_round_up(queries * (size / 2));
  return q;
}

static void attention_set_query(const apus_pages *pages, const attention_queries *to, long query, const float *q) {
  const int size = pages->head_size;
  const float scale = pages->scale * ATTENTION_LOG2_E;
  if (to->floats)
    for (int d = 0; d < size; d++) to->floats[query * apus_padded_head(size) + d] = scale * q[d];
  if (!to->pairs) return;
  float *units = to->units + query * apus_key_blocks(size);
  for (int d = 0; d < size; d += APUS_KEY_BLOCK, units++)
    *units = scale * attention_round(q + d, size - d < APUS_KEY_BLOCK ? size - d : APUS_KEY_BLOCK,
                                     (int16_t *)(to->pairs + query * (size / 2)) + d);
}

/// Scores, in powers of two, of `count` queries from `query` on with the positions of a block.
static void attention_scores(const apus_pages *pages, const attention_block *block, const attention_queries *q,
                             long query, int count, float *scores, long row) {
  const int size = pages->head_size;
  if (pages->fixed) {
    attention_score_pairs((attention_pair_scores){.block = block, .query = q->pairs + query * (size / 2),
                                                  .units = q->units + query * apus_key_blocks(size),
                                                  .scores = scores, .row = row, .size = size},
                          count);
    return;
  }
  for (int i = 0; i < block->pages; i++)
    attention_multiply((attention_product){.rows = count, .columns = APUS_PAGE_TOKENS, .depth = size,
                                           .a = q->floats + query * apus_padded_head(size),
                                           .a_row = apus_padded_head(size), .a_step = 1,
                                           .b = (const float *)block->page[i], .b_row = APUS_PAGE_TOKENS,
                                           .c = scores + i * APUS_PAGE_TOKENS, .c_row = row});
}
