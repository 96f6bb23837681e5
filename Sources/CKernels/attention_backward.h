// The backward pass of attention. Probabilities are recomputed from the forward pass's log-sum-exp, page by page: for
// one page everything (keys, values, their gradients, a tile of queries) stays in the L1 cache.
//
// Rows are taken in ascending order and each element is one chain of additions over them, so a run's gradients have the
// same bits whatever else is computed.

/// Queries (rows times the heads that share a key/value head) that meet a page together.
enum { ATTENTION_BACKWARD_QUERIES = 24 };
/// Floats of a cache line, at which every part of scratch begins.
enum { ATTENTION_ALIGNMENT = 16 };

APUS_INLINE float *attention_aligned(float *scratch) {
  return (float *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63);
}

APUS_INLINE long attention_round_up(long floats) {
  return (floats + ATTENTION_ALIGNMENT - 1) / ATTENTION_ALIGNMENT * ATTENTION_ALIGNMENT;
}

APUS_INLINE int attention_rows_together(const apus_pages *pages, int queries) {
  int group = pages->heads / pages->kv_heads;
  return group < queries ? queries / group : 1;
}

/// A run of one sequence, gathered so that the queries of one key/value head are consecutive.
typedef struct {
  int size, group, rows, first_position;
  float *query, *d_out, *d_query;  // [row][group][head_size]; query is scaled, d_query not yet
  float *log_sum_exp, *dot;        // [row][group]; dot = d_out . out
} attention_gathered;

/// One page, in the layouts that the products need; slots past the sequence are zero whatever the page holds.
typedef struct {
  int position;                 // of its first slot
  const float *keys;            // [head_size][16], as stored
  float *keys_by_position;      // [16][head_size]
  float *values_by_element;     // [head_size][16]
  float *d_keys, *d_values;     // [16][head_size]
  float *weights, *d_scores;    // [query of the tile][16]
} attention_backward_page;

static float attention_dot(const float *a, const float *b, int count) {
  vf sum = vf_zero();
  int i = 0;
  for (; i + APUS_LANES <= count; i += APUS_LANES) sum = vf_fma(vf_load(a + i), vf_load(b + i), sum);
  if (i < count) sum = vf_fma(attention_load_part(a + i, count - i), attention_load_part(b + i, count - i), sum);
  return vf_sum(sum);
}

static void attention_transpose(const float *from, int rows, int columns, float *to) {
  for (int c = 0; c < columns; c++)
    for (int r = 0; r < rows; r++) to[(long)c * rows + r] = from[(long)r * columns + c];
}

/// Copies page number `page` of key/value head kv into the layouts above; `count` of its slots belong to the sequence.
static void attention_open_page(const apus_pages *pages, int page, int kv, int count, attention_backward_page *to) {
  const int size = pages->head_size;
  long base = ((long)page * pages->kv_heads + kv) * size * APUS_PAGE_TOKENS;
  to->keys = pages->keys + base;
  attention_transpose(to->keys, size, APUS_PAGE_TOKENS, to->keys_by_position);
  attention_transpose(pages->values + base, APUS_PAGE_TOKENS, size, to->values_by_element);
  memset(to->keys_by_position + (long)count * size, 0, (APUS_PAGE_TOKENS - count) * size * sizeof(float));
  for (int d = 0; d < size; d++)
    for (int i = count; i < APUS_PAGE_TOKENS; i++) to->values_by_element[d * APUS_PAGE_TOKENS + i] = 0;
  memset(to->d_keys, 0, size * APUS_PAGE_TOKENS * sizeof(float));
  memset(to->d_values, 0, size * APUS_PAGE_TOKENS * sizeof(float));
}

/// Scores become probabilities and gradients of probabilities become gradients of scores, zero for keys that a row
/// does not see.
static void attention_backward_softmax(const attention_gathered *g, const attention_backward_page *page, int row,
                                       int rows) {
  for (int query = 0; query < rows * g->group; query++) {
    int seen = g->first_position + row + query / g->group + 1 - page->position;
    float log_sum_exp = g->log_sum_exp[row * g->group + query], dot = g->dot[row * g->group + query];
    for (int i = 0; i < APUS_PAGE_TOKENS; i += APUS_LANES) {
      float *w = page->weights + query * APUS_PAGE_TOKENS + i, *d = page->d_scores + query * APUS_PAGE_TOKENS + i;
      vi lane;
      for (int j = 0; j < APUS_LANES; j++) lane[j] = i + j;
      vi mask = lane < seen;
      vf weight = (vf)((vi)vf_exp(vf_load(w) - log_sum_exp) & mask);
      vf_store(w, weight);
      vf_store(d, (vf)((vi)(weight * (vf_load(d) - dot)) & mask));
    }
  }
}

/// Everything that rows row ..< row + rows of the run and one page have to do with each other.
static void attention_backward_tile(const attention_gathered *g, const attention_backward_page *page, int row,
                                    int rows) {
  const int size = g->size, queries = rows * g->group;
  const long at = (long)row * g->group * size;
  float *query = g->query + at, *d_out = g->d_out + at, *d_query = g->d_query + at;
  const int slots = APUS_PAGE_TOKENS;
  // scores = query . keys, and how much the output's gradient asks for each value
  attention_multiply((attention_product){.rows = queries, .columns = slots, .depth = size,
                                         .a = query, .a_row = size, .a_step = 1,
                                         .b = page->keys, .b_row = slots, .c = page->weights, .c_row = slots});
  attention_multiply((attention_product){.rows = queries, .columns = slots, .depth = size,
                                         .a = d_out, .a_row = size, .a_step = 1,
                                         .b = page->values_by_element, .b_row = slots,
                                         .c = page->d_scores, .c_row = slots});
  attention_backward_softmax(g, page, row, rows);
  attention_multiply((attention_product){.rows = queries, .columns = size, .depth = slots, .adds = 1,
                                         .a = page->d_scores, .a_row = slots, .a_step = 1,
                                         .b = page->keys_by_position, .b_row = size, .c = d_query, .c_row = size});
  // Both transposed: one chain over the queries for each element of a key's or value's gradient.
  attention_multiply((attention_product){.rows = slots, .columns = size, .depth = queries, .adds = 1,
                                         .a = page->d_scores, .a_row = 1, .a_step = slots,
                                         .b = query, .b_row = size, .c = page->d_keys, .c_row = size});
  attention_multiply((attention_product){.rows = slots, .columns = size, .depth = queries, .adds = 1,
                                         .a = page->weights, .a_row = 1, .a_step = slots,
                                         .b = d_out, .b_row = size, .c = page->d_values, .c_row = size});
}

/// Fills `g`, whose sizes and buffers are set, from the run's rows.
static void attention_gather(const attention_gathered *g, const apus_pages *pages, int first_row, int kv,
                             const float *q, long ldq, const float *out, const float *d_out, long ldo,
                             const float *log_sum_exp) {
  const long width = (long)g->group * g->size;
  for (int row = 0; row < g->rows; row++) {
    const long from = first_row + row;
    for (long i = 0; i < width; i++) g->query[row * width + i] = pages->scale * q[from * ldq + kv * width + i];
    memcpy(g->d_out + row * width, d_out + from * ldo + kv * width, width * sizeof(float));
    memcpy(g->log_sum_exp + row * g->group, log_sum_exp + from * pages->heads + kv * g->group,
           g->group * sizeof(float));
    for (int head = 0; head < g->group; head++)
      g->dot[row * g->group + head] = attention_dot(g->d_out + row * width + head * g->size,
                                                    out + from * ldo + kv * width + head * g->size, g->size);
  }
  memset(g->d_query, 0, g->rows * width * sizeof(float));
}

static void attention_add(float *to, const float *from, int count) {
  for (int i = 0; i < count; i++) to[i] += from[i];
}

/// Adds the gradients of the page's first `count` slots to the rows, or the prefix positions, that they belong to.
static void attention_close_page(const attention_backward_page *page, const apus_pages *pages, const apus_run *run,
                                 int kv, int count, float *d_k, float *d_v, long ldkv, float *d_prefix_k,
                                 float *d_prefix_v) {
  const int size = pages->head_size;
  for (int i = 0; i < count; i++) {
    const long position = page->position + i, own = position - run->first_position;
    const long at = (own < 0 ? position * pages->kv_heads * size : (run->first_row + own) * ldkv) + kv * size;
    attention_add((own < 0 ? d_prefix_k : d_k) + at, page->d_keys + i * size, size);
    attention_add((own < 0 ? d_prefix_v : d_v) + at, page->d_values + i * size, size);
  }
}

static void attention_backward(const apus_pages *pages, const apus_run *run, int kv, const float *q, long ldq,
                               const float *out, const float *d_out, long ldo, const float *log_sum_exp, float *d_q,
                               long lddq, float *d_k, float *d_v, long ldkv, float *d_prefix_k, float *d_prefix_v,
                               float *scratch) {
  const int size = pages->head_size, group = pages->heads / pages->kv_heads, rows = run->rows;
  const int together = attention_rows_together(pages, ATTENTION_BACKWARD_QUERIES);
  const long width = (long)group * size, total = attention_round_up(rows * width), block = size * APUS_PAGE_TOKENS;
  float *blocks = attention_aligned(scratch), *tile = blocks + 4 * block;
  float *gathered = tile + 2 * together * group * APUS_PAGE_TOKENS;
  attention_backward_page page = {.keys_by_position = blocks, .values_by_element = blocks + block,
                                  .d_keys = blocks + 2 * block, .d_values = blocks + 3 * block,
                                  .weights = tile, .d_scores = tile + together * group * APUS_PAGE_TOKENS};
  attention_gathered g = {.size = size, .group = group, .rows = rows, .first_position = run->first_position,
                          .query = gathered, .d_out = gathered + total, .d_query = gathered + 2 * total,
                          .log_sum_exp = gathered + 3 * total, .dot = gathered + 3 * total + rows * group};
  attention_gather(&g, pages, run->first_row, kv, q, ldq, out, d_out, ldo, log_sum_exp);

  const int context = run->first_position + rows;
  for (int p = 0; (page.position = p * APUS_PAGE_TOKENS) < context; p++) {
    int count = context - page.position < APUS_PAGE_TOKENS ? context - page.position : APUS_PAGE_TOKENS;
    attention_open_page(pages, run->table[p], kv, count, &page);
    // Rows before the page's first position see none of it.
    int row = page.position > run->first_position ? page.position - run->first_position : 0;
    for (; row < rows; row += together)
      attention_backward_tile(&g, &page, row, rows - row < together ? rows - row : together);
    attention_close_page(&page, pages, run, kv, count, d_k, d_v, ldkv, d_prefix_k, d_prefix_v);
  }
  for (int row = 0; row < rows; row++)
    for (long i = 0; i < width; i++)
      d_q[(run->first_row + row) * lddq + kv * width + i] = pages->scale * g.d_query[row * width + i];
}

static size_t attention_backward_scratch(const apus_pages *pages, int max_context) {
  size_t group = pages->heads / pages->kv_heads, size = pages->head_size;
  size_t together = attention_rows_together(pages, ATTENTION_BACKWARD_QUERIES);
  return 4 * size * APUS_PAGE_TOKENS + 2 * together * group * APUS_PAGE_TOKENS +
         3 * attention_round_up(max_context * group * size) + 2 * max_context * group + ATTENTION_ALIGNMENT;
}
