// The backward pass of attention, in fp32 on widened pages. Probabilities are recomputed from the forward pass's own
// scores and log-sum-exp, four pages at a time: they are widened once for all rows of a run.
//
// Rows are taken in ascending order and each element is one chain of additions over them, so a run's gradients have the
// same bits whatever else is computed.

/// Queries (rows times the heads that share a key/value head) that meet a block together.
enum { ATTENTION_BACKWARD_QUERIES = 48 };

/// A run of one sequence, gathered so that the queries of one key/value head are consecutive.
typedef struct {
  const apus_pages *pages;
  int group, rows, first_position;
  long width;                // W
  attention_queries queries;
  float *d_out, *d_query;    // [row][group][W]; d_query not scaled yet
  float *log_sum_exp, *dot;  // [row][group]; the first in powers of two; dot = d_out . out
} attention_gathered;

/// Up to four pages, in the layouts that the products need.
typedef struct {
  int position;              // of the first slot
  attention_block block;
  float *keys;               // [64][W], zero where no row sees them
  float *values;             // [W][64]
  float *d_keys, *d_values;  // [64][W]
  float *weights, *d_scores; // [query of the tile][64]
} attention_backward_block;

static float attention_dot(const float *a, const float *b, int count) {
  vf sum = vf_zero();
  int i = 0;
  for (; i + APUS_LANES <= count; i += APUS_LANES) sum = vf_fma(vf_load(a + i), vf_load(b + i), sum);
  if (i < count) sum = vf_fma(load_part(a + i, count - i), load_part(b + i, count - i), sum);
  return vf_sum(sum);
}

/// Widens the run's pages from p on. Of their slots the first `unseen` are before all windows and those from `count` on
/// past the sequence: nothing is known of them, and what a zero weighs must be a number.
static void attention_open_block(const attention_gathered *g, const apus_run *run, int kv, int p, int unseen, int count,
                                 attention_backward_block *to) {
  const apus_pages *pages = g->pages;
  const attention_records records = attention_records_of(pages, kv);
  const long width = g->width;
  to->block.pages = (count + APUS_PAGE_TOKENS - 1) / APUS_PAGE_TOKENS;
  for (int i = 0; i < ATTENTION_BLOCK_PAGES; i++) {
    const int own = i < to->block.pages ? i : to->block.pages - 1;
    to->block.page[i] = to->block.next[i] = attention_record(records, run->table[p + own]);
  }
  for (int i = 0; i < to->block.pages; i++)
    (pages->fixed ? attention_open_fixed : attention_open_float)(
        to->block.page[i], pages->head_size, to->keys + i * APUS_PAGE_TOKENS * width,
        to->values + i * APUS_PAGE_TOKENS, ATTENTION_BLOCK);
  const long slots = to->block.pages * APUS_PAGE_TOKENS;
  if (unseen > 0) memset(to->keys, 0, (size_t)(unseen * width) * sizeof(float));
  memset(to->keys + count * width, 0, (size_t)((slots - count) * width) * sizeof(float));
  memset(to->d_keys, 0, (size_t)(slots * width) * sizeof(float));
  memset(to->d_values, 0, (size_t)(slots * width) * sizeof(float));
}

/// Scores become probabilities and gradients of probabilities become gradients of scores, zero for keys that a row
/// does not see.
static void attention_backward_softmax(const attention_gathered *g, const attention_backward_block *b, int row,
                                       int rows, int slots) {
  const float cap = ATTENTION_LOG2_E * g->pages->soft_cap;
  for (int query = 0; query < rows * g->group; query++) {
    const int context = g->first_position + row + query / g->group + 1, seen = context - b->position;
    const int begin = attention_first_seen(g->pages, context) - b->position;
    const float log_sum_exp = g->log_sum_exp[row * g->group + query], dot = g->dot[row * g->group + query];
    for (int i = 0; i < slots; i += APUS_LANES) {
      float *w = b->weights + query * ATTENTION_BLOCK + i, *d = b->d_scores + query * ATTENTION_BLOCK + i;
      const vi mask = begin > i ? attention_lanes_in(i, begin, seen) : attention_lanes_below(i, seen);
      vf score = vf_load(w), slope = vf_set(1);
      if (cap > 0) {
        const vf t = vf_tanh(score * (1 / cap));
        score = t * cap, slope = 1.0f - t * t;
      }
      const vf weight = (vf)((vi)attention_exp2(score - log_sum_exp) & mask);
      vf_store(w, weight);
      const vf gradient = weight * (vf_load(d) - dot);
      vf_store(d, (vf)((vi)(cap > 0 ? gradient * slope : gradient) & mask));
    }
  }
}

/// Everything that rows row ..< row + rows of the run and one block have to do with each other.
static void attention_backward_tile(const attention_gathered *g, const attention_backward_block *b, int row, int rows) {
  const int queries = rows * g->group, width = (int)g->width, row_of_scores = ATTENTION_BLOCK;
  const int seen = g->first_position + row + rows - b->position;
  attention_block block = b->block;
  // The last row sees the most.
  if (seen < block.pages * APUS_PAGE_TOKENS) block.pages = (seen + APUS_PAGE_TOKENS - 1) / APUS_PAGE_TOKENS;
  const int slots = block.pages * APUS_PAGE_TOKENS;
  const long first = (long)row * g->group, at = first * width;
  // scores = query . keys, and how much the output's gradient asks for each value
  attention_scores(g->pages, &block, &g->queries, first, queries, b->weights, row_of_scores);
  attention_multiply((attention_product){.rows = queries, .columns = slots, .depth = g->pages->head_size,
                                         .a = g->d_out + at, .a_row = width, .a_step = 1,
                                         .b = b->values, .b_row = ATTENTION_BLOCK,
                                         .c = b->d_scores, .c_row = row_of_scores});
  attention_backward_softmax(g, b, row, rows, slots);
  attention_multiply((attention_product){.rows = queries, .columns = width, .depth = slots, .adds = 1,
                                         .a = b->d_scores, .a_row = row_of_scores, .a_step = 1,
                                         .b = b->keys, .b_row = width, .c = g->d_query + at, .c_row = width});
  // Both transposed: one chain over the queries for each element of a key's or value's gradient.
  attention_multiply((attention_product){.rows = slots, .columns = width, .depth = queries, .adds = 1,
                                         .a = b->d_scores, .a_row = 1, .a_step = row_of_scores,
                                         .b = g->queries.floats + at, .b_row = width, .c = b->d_keys, .c_row = width});
  attention_multiply((attention_product){.rows = slots, .columns = width, .depth = queries, .adds = 1,
                                         .a = b->weights, .a_row = 1, .a_step = row_of_scores,
                                         .b = g->d_out + at, .b_row = width, .c = b->d_values, .c_row = width});
}

/// Fills `g`, whose sizes and buffers are set, from the run's rows.
static void attention_gather(const attention_gathered *g, const apus_run *run, int kv, const float *q, long ldq,
                             const float *out, const float *d_out, long ldo, const float *log_sum_exp) {
  const int size = g->pages->head_size;
  for (int query = 0; query < g->rows * g->group; query++) {
    const long from = run->first_row + query / g->group, head = kv * g->group + query % g->group;
    attention_set_query(g->pages, &g->queries, query, q + from * ldq + head * size);
    memcpy(g->d_out + query * g->width, d_out + from * ldo + head * size, size * sizeof(float));
    g->log_sum_exp[query] = ATTENTION_LOG2_E * log_sum_exp[from * g->pages->heads + head];
    g->dot[query] = attention_dot(d_out + from * ldo + head * size, out + from * ldo + head * size, size);
  }
  memset(g->d_query, 0, (size_t)(g->rows * g->group * g->width) * sizeof(float));
}

/// Adds the gradients of the block's first `count` slots to the rows, or the prefix positions, that they belong to.
static void attention_close_block(const attention_gathered *g, const attention_backward_block *b, const apus_run *run,
                                  int kv, int count, float *d_k, float *d_v, long ldkv, float *d_prefix_k,
                                  float *d_prefix_v) {
  const int size = g->pages->head_size;
  for (int i = 0; i < count; i++) {
    const long position = b->position + i, own = position - run->first_position;
    const long at = (own < 0 ? position * g->pages->kv_heads * size : (run->first_row + own) * ldkv) + kv * size;
    float *to_k = (own < 0 ? d_prefix_k : d_k) + at, *to_v = (own < 0 ? d_prefix_v : d_v) + at;
    const float *key = b->d_keys + i * g->width, *value = b->d_values + i * g->width;
    // Queries were scaled for powers of two.
    for (int d = 0; d < size; d++) to_k[d] += ATTENTION_LN_2 * key[d];
    for (int d = 0; d < size; d++) to_v[d] += value[d];
  }
}

static void attention_backward(const apus_pages *pages, const apus_run *run, int kv, const float *q, long ldq,
                               const float *out, const float *d_out, long ldo, const float *log_sum_exp, float *d_q,
                               long lddq, float *d_k, float *d_v, long ldkv, float *d_prefix_k, float *d_prefix_v,
                               float *scratch) {
  const int size = pages->head_size, group = pages->heads / pages->kv_heads, rows = run->rows;
  const int together = attention_rows_together(pages, ATTENTION_BACKWARD_QUERIES);
  const long width = apus_padded_head(size), queries = (long)rows * group, room = ATTENTION_BLOCK * width;
  float *at = attention_aligned(scratch);
  attention_backward_block b = {.keys = at, .values = at + room, .d_keys = at + 2 * room, .d_values = at + 3 * room};
  b.weights = at + 4 * room, b.d_scores = b.weights + together * group * ATTENTION_BLOCK;
  at = b.d_scores + together * group * ATTENTION_BLOCK;
  attention_gathered g = {.pages = pages, .group = group, .rows = rows, .first_position = run->first_position,
                          .width = width, .queries = attention_place_queries(pages, queries, at, pages->fixed, 1)};
  g.d_out = at + attention_query_floats(pages, queries, pages->fixed, 1), g.d_query = g.d_out + queries * width;
  g.log_sum_exp = g.d_query + queries * width, g.dot = g.log_sum_exp + queries;
  attention_gather(&g, run, kv, q, ldq, out, d_out, ldo, log_sum_exp);

  // Keys before the first row's window belong to no row, and their pages may hold anything.
  const int context = run->first_position + rows, seen = attention_first_seen(pages, run->first_position + 1);
  for (int p = seen / APUS_PAGE_TOKENS; (b.position = p * APUS_PAGE_TOKENS) < context; p += ATTENTION_BLOCK_PAGES) {
    const int count = context - b.position < ATTENTION_BLOCK ? context - b.position : ATTENTION_BLOCK;
    // Rows before the block's first position see none of it, and none do whose window begins after it.
    int row = b.position > run->first_position ? b.position - run->first_position : 0, end = rows;
    if (pages->window > 0) {
      const long last = (long)b.position + ATTENTION_BLOCK + pages->window - 1 - run->first_position;
      if (last < end) end = last > 0 ? (int)last : 0;
    }
    if (row >= end) continue;
    attention_open_block(&g, run, kv, p, seen - b.position, count, &b);
    for (; row < end; row += together)
      attention_backward_tile(&g, &b, row, end - row < together ? end - row : together);
    attention_close_block(&g, &b, run, kv, count, d_k, d_v, ldkv, d_prefix_k, d_prefix_v);
  }
  for (int query = 0; query < rows * group; query++) {
    float *to = d_q + (run->first_row + query / group) * lddq + (kv * group + query % group) * size;
    for (int d = 0; d < size; d++) to[d] = pages->scale * g.d_query[query * width + d];
  }
}

static size_t attention_backward_scratch(const apus_pages *pages, int max_context) {
  const long group = pages->heads / pages->kv_heads, width = apus_padded_head(pages->head_size);
  const long together = attention_rows_together(pages, ATTENTION_BACKWARD_QUERIES), queries = max_context * group;
  return (size_t)(4 * ATTENTION_BLOCK * width + 2 * together * group * ATTENTION_BLOCK +
                  attention_query_floats(pages, queries, pages->fixed, 1) + 2 * queries * width + 2 * queries +
                  ATTENTION_ALIGNMENT);
}
