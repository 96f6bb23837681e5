// Causal attention over pages (apus_attention.h says what; this file is the forward pass).
//
// Softmax is exact: all scores of a row, their maximum, then exponentials and their sum, then weighted values. Scores of
// a tile of rows lie as [page][query][16], so that each step touches whole cache lines.
#include "attention_product.h"

#include "attention_backward.h"

/// Queries (rows times the heads that share a key/value head) that are taken through the pages together.
enum { ATTENTION_FORWARD_QUERIES = 24 };

APUS_INLINE const float *attention_page(const apus_pages *pages, const float *base, int page, int kv) {
  return base + ((long)page * pages->kv_heads + kv) * pages->head_size * APUS_PAGE_TOKENS;
}

/// Keys of the row's page p that it may see, 0 to 16.
APUS_INLINE int attention_visible(const apus_visibility *visible, int row, int p) {
  int left = visible->context[row] - p * APUS_PAGE_TOKENS;
  return left < 0 ? 0 : left < APUS_PAGE_TOKENS ? left : APUS_PAGE_TOKENS;
}

static void attention_write(const apus_pages *pages, const float *k, long ldk, const float *v, long ldv,
                            const int32_t *rows, const int32_t *slots, int entries) {
  const int size = pages->head_size;
  for (int e = 0; e < entries; e++) {
    int page = slots[e] / APUS_PAGE_TOKENS, offset = slots[e] % APUS_PAGE_TOKENS;
    for (int kv = 0; kv < pages->kv_heads; kv++) {
      long base = ((long)page * pages->kv_heads + kv) * size * APUS_PAGE_TOKENS;
      const float *key = k + rows[e] * ldk + kv * size;
      for (int d = 0; d < size; d++) pages->keys[base + d * APUS_PAGE_TOKENS + offset] = key[d];
      memcpy(pages->values + base + offset * size, v + rows[e] * ldv + kv * size, size * sizeof(float));
    }
  }
}

/// One tile of the forward pass: rows first ..< first + rows, all query heads of one key/value head.
typedef struct {
  const apus_pages *pages;
  const apus_visibility *visible;
  int first, rows, group, kv;
  float *query;       // [query][head_size], scaled
  float *sum;         // [query][head_size]
  float *normaliser;  // [query], 1 / sum of exponentials
  float *scores;      // [page][query][16]
} attention_forward_tile;

APUS_INLINE float *attention_scores(const attention_forward_tile *t, int p, int query) {
  return t->scores + ((long)p * t->rows * t->group + query) * APUS_PAGE_TOKENS;
}

/// The end of the run of rows from `row` that read the same page as their page p, and (for values) as much of it.
APUS_INLINE int attention_run_end(const attention_forward_tile *t, int row, int p, int same_visible) {
  const apus_visibility *v = t->visible;
  int page = v->tables[v->table_offset[t->first + row] + p], count = attention_visible(v, t->first + row, p);
  for (row++; row < t->rows; row++) {
    int other = attention_visible(v, t->first + row, p);
    if (!other || (same_visible && other != count)) break;
    if (v->tables[v->table_offset[t->first + row] + p] != page) break;
  }
  return row;
}

/// Scores of page p, or the sum of its values weighted by what the scores have become.
static void attention_forward_page(const attention_forward_tile *t, int p, int weighs_values) {
  const int size = t->pages->head_size;
  for (int row = 0, end; row < t->rows; row = end) {
    int count = attention_visible(t->visible, t->first + row, p);
    end = row + 1;
    if (!count) continue;
    end = attention_run_end(t, row, p, weighs_values);
    int page = t->visible->tables[t->visible->table_offset[t->first + row] + p], query = row * t->group;
    float *scores = attention_scores(t, p, query);
    attention_product x = {.rows = (end - row) * t->group};
    if (weighs_values) {
      x.a = scores, x.a_row = APUS_PAGE_TOKENS, x.a_step = 1;
      x.b = attention_page(t->pages, t->pages->values, page, t->kv), x.b_row = size;
      x.c = t->sum + (long)query * size, x.c_row = size;
      x.columns = size, x.depth = count, x.adds = 1;
    } else {
      x.a = t->query + (long)query * size, x.a_row = size, x.a_step = 1;
      x.b = attention_page(t->pages, t->pages->keys, page, t->kv), x.b_row = APUS_PAGE_TOKENS;
      x.c = scores, x.c_row = APUS_PAGE_TOKENS;
      x.columns = APUS_PAGE_TOKENS, x.depth = size;
    }
    attention_multiply(x);
  }
}

/// Turns the scores of one query into exponentials of their distance to the maximum. Returns their sum, taken in 16
/// lanes by position and then as a tree, the same for every vector width.
static float attention_softmax(float *scores, long page_stride, int context, float *maximum) {
  enum { VECTORS = APUS_PAGE_TOKENS / APUS_LANES };
  int pages = (context + APUS_PAGE_TOKENS - 1) / APUS_PAGE_TOKENS;
  float *last = scores + (pages - 1) * page_stride;
  for (int i = context - (pages - 1) * APUS_PAGE_TOKENS; i < APUS_PAGE_TOKENS; i++) last[i] = -INFINITY;
  vf most = vf_set(-INFINITY), sum[VECTORS] = {0};
  for (int p = 0; p < pages; p++)
    for (int i = 0; i < VECTORS; i++) most = vf_max(most, vf_load(scores + p * page_stride + i * APUS_LANES));
  *maximum = vf_largest(most);
  for (int p = 0; p < pages; p++)
    for (int i = 0; i < VECTORS; i++) {
      float *s = scores + p * page_stride + i * APUS_LANES;
      vf weight = vf_exp(vf_load(s) - *maximum);
      vf_store(s, weight);
      sum[i] += weight;
    }
  float lanes[APUS_PAGE_TOKENS];
  memcpy(lanes, sum, sizeof lanes);
  for (int half = APUS_PAGE_TOKENS / 2; half > 0; half /= 2)
    for (int i = 0; i < half; i++) lanes[i] += lanes[i + half];
  return lanes[0];
}

/// Takes a tile's queries, all set, through its pages and leaves their outputs in `sum`. log_sum_exp: a row's heads side
/// by side, rows `ld` apart, or NULL.
static void attention_forward_rows(const attention_forward_tile *t, float *log_sum_exp, long ld) {
  const int size = t->pages->head_size;
  int longest = 0;
  for (int row = 0; row < t->rows; row++)
    if (t->visible->context[t->first + row] > longest) longest = t->visible->context[t->first + row];
  int pages = (longest + APUS_PAGE_TOKENS - 1) / APUS_PAGE_TOKENS;
  for (int p = 0; p < pages; p++) attention_forward_page(t, p, 0);
  for (int query = 0; query < t->rows * t->group; query++) {
    int row = query / t->group, context = t->visible->context[t->first + row];
    float maximum = -INFINITY, sum = 0;
    if (context > 0)
      sum = attention_softmax(attention_scores(t, 0, query), (long)t->rows * t->group * APUS_PAGE_TOKENS, context,
                              &maximum);
    t->normaliser[query] = context > 0 ? 1 / sum : 0;
    if (log_sum_exp) log_sum_exp[row * ld + query % t->group] = maximum + logf(sum);
  }
  memset(t->sum, 0, (size_t)t->rows * t->group * size * sizeof(float));
  for (int p = 0; p < pages; p++) attention_forward_page(t, p, 1);
  for (int query = 0; query < t->rows * t->group; query++)
    for (int d = 0; d < size; d++) t->sum[query * size + d] *= t->normaliser[query];
}

static void attention_forward(const apus_pages *pages, const apus_visibility *visible, const float *q, long ldq,
                              float *out, long ldo, float *log_sum_exp, int row_begin, int row_end, int kv_begin,
                              int kv_end, float *scratch) {
  const int size = pages->head_size, group = pages->heads / pages->kv_heads;
  const int together = attention_rows_together(pages, ATTENTION_FORWARD_QUERIES);
  const long width = (long)group * size;
  float *query = attention_aligned(scratch), *scores = query + 2 * together * width;
  for (int kv = kv_begin; kv < kv_end; kv++)
    for (int first = row_begin; first < row_end; first += together) {
      attention_forward_tile t = {.pages = pages, .visible = visible, .first = first, .group = group, .kv = kv,
                                  .rows = row_end - first < together ? row_end - first : together,
                                  .query = query, .sum = query + together * width, .normaliser = scores};
      t.scores = scores + attention_round_up(together * group);
      for (int row = 0; row < t.rows; row++)
        for (long i = 0; i < width; i++)
          query[row * width + i] = pages->scale * q[(first + row) * ldq + kv * width + i];
      attention_forward_rows(
          &t, log_sum_exp ? log_sum_exp + (long)first * pages->heads + kv * group : NULL, pages->heads);
      for (int row = 0; row < t.rows; row++)
        memcpy(out + (first + row) * ldo + kv * width, t.sum + row * width, width * sizeof(float));
    }
}

static size_t attention_forward_scratch(const apus_pages *pages, int max_context) {
  size_t queries = (size_t)attention_rows_together(pages, ATTENTION_FORWARD_QUERIES) * pages->heads / pages->kv_heads;
  size_t padded = (max_context + APUS_PAGE_TOKENS - 1) / APUS_PAGE_TOKENS * APUS_PAGE_TOKENS;
  return queries * (2 * pages->head_size + 1 + padded) + 2 * ATTENTION_ALIGNMENT;
}

#define APUS_ATTENTION_KERNELS                                                                          \
  {                                                                                                     \
    .write = attention_write, .forward = attention_forward, .forward_scratch = attention_forward_scratch, \
    .backward = attention_backward, .backward_scratch = attention_backward_scratch,                      \
  }
