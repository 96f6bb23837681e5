// The backward pass of attention. Probabilities are recomputed from the forward pass's log-sum-exp, page by page: for
// one page everything (keys, values, their gradients, a tile of queries) stays in the L1 cache.
//
// Rows are taken in ascending order and each element is one chain of additions over them, so a run's gradients have the
// same bits whatever else is computed.

/// Queries (rows times the heads that share a key/value head) that meet a page together.
enum { ATTENTION_BACKWARD_QUERIES = 12 };
/// Floats by which scratch is over-allocated, so that it can begin at a cache line.
enum { ATTENTION_ALIGNMENT = 16 };

APUS_INLINE float *attention_aligned(float *scratch) {
  return (float *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63);
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
  attention_multiply((attention_product){g->query + at, size, 1, page->keys, APUS_PAGE_TOKENS, page->weights,
                                         APUS_PAGE_TOKENS, queries, APUS_PAGE_TOKENS, size, 0});
  attention_multiply((attention_product){g->d_out + at, size, 1, page->values_by_element, APUS_PAGE_TOKENS,
                                         page->d_scores, APUS_PAGE_TOKENS, queries, APUS_PAGE_TOKENS, size, 0});
  attention_backward_softmax(g, page, row, rows);
  attention_multiply((attention_product){page->d_scores, APUS_PAGE_TOKENS, 1, page->keys_by_position, size,
                                         g->d_query + at, size, queries, size, APUS_PAGE_TOKENS, 1});
  attention_multiply((attention_product){page->d_scores, 1, APUS_PAGE_TOKENS, g->query + at, size, page->d_keys, size,
                                         APUS_PAGE_TOKENS, size, queries, 1});
  attention_multiply((attention_product){page->weights, 1, APUS_PAGE_TOKENS, g->d_out + at, size, page->d_values, size,
                                         APUS_PAGE_TOKENS, size, queries, 1});
}

static void attention_add(float *to, const float *from, int count) {
  for (int i = 0; i < count; i++) to[i] += from[i];
}

static void attention_backward(const apus_pages *pages, const apus_run *run, int kv, const float *q, long ldq,
                               const float *out, const float *d_out, long ldo, const float *log_sum_exp, float *d_q,
                               long lddq, float *d_k, float *d_v, long ldkv, float *d_prefix_k, float *d_prefix_v,
                               float *scratch) {
  const int size = pages->head_size, group = pages->heads / pages->kv_heads, rows = run->rows;
  const int together = attention_rows_together(pages, ATTENTION_BACKWARD_QUERIES);
  const long width = (long)group * size, total = rows * width, page_floats = (long)size * APUS_PAGE_TOKENS;
  float *next = attention_aligned(scratch);
  attention_backward_page page = {.keys_by_position = next, .values_by_element = next + page_floats,
                                  .d_keys = next + 2 * page_floats, .d_values = next + 3 * page_floats};
  page.weights = next + 4 * page_floats;
  page.d_scores = page.weights + together * group * APUS_PAGE_TOKENS;
  next = page.d_scores + together * group * APUS_PAGE_TOKENS;
  attention_gathered g = {size, group, rows, run->first_position, next, next + total, next + 2 * total,
                          next + 3 * total, next + 3 * total + rows * group};

  for (int row = 0; row < rows; row++) {
    const long from = run->first_row + row;
    for (long i = 0; i < width; i++) g.query[row * width + i] = pages->scale * q[from * ldq + kv * width + i];
    memcpy(g.d_out + row * width, d_out + from * ldo + kv * width, width * sizeof(float));
    memcpy(g.log_sum_exp + row * group, log_sum_exp + from * pages->heads + kv * group, group * sizeof(float));
    for (int head = 0; head < group; head++)
      g.dot[row * group + head] = attention_dot(g.d_out + row * width + head * size,
                                                out + from * ldo + kv * width + head * size, size);
  }
  memset(g.d_query, 0, total * sizeof(float));

  const int context = run->first_position + rows;
  for (int p = 0; (page.position = p * APUS_PAGE_TOKENS) < context; p++) {
    int count = context - page.position < APUS_PAGE_TOKENS ? context - page.position : APUS_PAGE_TOKENS;
    attention_open_page(pages, run->table[p], kv, count, &page);
    int row = page.position > run->first_position ? page.position - run->first_position : 0;
    for (; row < rows; row += together)
      attention_backward_tile(&g, &page, row, rows - row < together ? rows - row : together);
    for (int i = 0; i < count; i++) {
      long own = page.position + i - run->first_position, prefix = page.position + i;
      float *to_k = own < 0 ? d_prefix_k + (prefix * pages->kv_heads + kv) * size
                            : d_k + (run->first_row + own) * ldkv + kv * size;
      float *to_v = own < 0 ? d_prefix_v + (prefix * pages->kv_heads + kv) * size
                            : d_v + (run->first_row + own) * ldkv + kv * size;
      attention_add(to_k, page.d_keys + i * size, size);
      attention_add(to_v, page.d_values + i * size, size);
    }
  }
  for (int row = 0; row < rows; row++)
    for (long i = 0; i < width; i++)
      d_q[(run->first_row + row) * lddq + kv * width + i] = pages->scale * g.d_query[row * width + i];
}

static size_t attention_backward_scratch(const apus_pages *pages, int max_context) {
  size_t group = pages->heads / pages->kv_heads, size = pages->head_size;
  size_t together = attention_rows_together(pages, ATTENTION_BACKWARD_QUERIES);
  return 4 * size * APUS_PAGE_TOKENS + 2 * together * group * APUS_PAGE_TOKENS +
         max_context * group * (3 * size + 2) + ATTENTION_ALIGNMENT;
}
