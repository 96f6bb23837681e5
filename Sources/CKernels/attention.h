// Causal attention over pages (apus_attention.h says what; this file is the forward pass).
//
// Softmax is exact: all scores of a row, their maximum, then exponentials and their sum, then weighted values.
#include "attention_pages.h"

#include "attention_product.h"

#include "attention_pairs.h"

#include "attention_softmax.h"

#include "attention_queries.h"

#include "attention_backward.h"

/// Queries (rows times the heads that share a key/value head) that are taken through the pages together.
enum { ATTENTION_FORWARD_QUERIES = 24 };

/// One tile of the forward pass: rows first ..< first + rows, all query heads of one key/value head.
typedef struct {
  const apus_pages *pages;
  const apus_visibility *visible;
  attention_records records;
  int first, rows, group, is_last_head;
  attention_queries queries;
  float *scores;      // [query][`row`]; then what the values are weighted with, as pairs or in fp32
  float *units;       // [query][`unit_row`], of a block's pairs
  float *sum;         // [query][W]
  float *normaliser;  // [query], 1 / sum of exponentials
  long row, unit_row;
} attention_forward_tile;

APUS_INLINE int attention_pages_of(int context) { return (context + APUS_PAGE_TOKENS - 1) / APUS_PAGE_TOKENS; }

APUS_INLINE const int32_t *attention_table(const attention_forward_tile *t, int row) {
  return t->visible->tables + t->visible->table_offset[t->first + row];
}

/// What is read after the last of a sequence's blocks of keys, or values, as an address of keys, or values: the first
/// values, or the next head's first keys.
APUS_INLINE const char *attention_after_last(const attention_forward_tile *t, int32_t page, int weighs_values) {
  const char *record = attention_record(t->records, page);
  const long values = attention_fixed_values(t->pages->head_size);
  if (!weighs_values) return record + values;
  return t->is_last_head ? record : record + apus_page_bytes(t->pages->head_size, 1) - values;
}

/// Whether a row's window begins after the pages p ..< p + 4.
APUS_INLINE int attention_is_past(const attention_forward_tile *t, int context, int p) {
  return attention_first_seen(t->pages, context) >= (p + ATTENTION_BLOCK_PAGES) * APUS_PAGE_TOKENS;
}

/// The rows from `row` on that read the same pages as their pages p ..< p + 4, as far as each of them reads. Fills in
/// the block and returns the end of the rows; pages is 0 where `row` itself reads none.
static int attention_next_run(const attention_forward_tile *t, int row, int p, int weighs_values,
                              attention_block *block) {
  const int32_t *contexts = t->visible->context + t->first, *table = attention_table(t, row);
  int pages = attention_pages_of(contexts[row]) - p, end = row + 1;
  block->pages = 0;
  if (pages <= 0 || attention_is_past(t, contexts[row], p)) return end;
  for (; end < t->rows; end++) {
    if (attention_is_past(t, contexts[end], p)) break;
    const int32_t *other = attention_table(t, end);
    const int count = attention_pages_of(contexts[end]) - p, common = count < pages ? count : pages;
    if (count <= 0) break;
    if (other != table) {
      int same = 0;
      while (same < common && same < ATTENTION_BLOCK_PAGES && other[p + same] == table[p + same]) same++;
      if (same < common && same < ATTENTION_BLOCK_PAGES) break;
    }
    if (count > pages) pages = count, table = other;
  }
  block->pages = pages < ATTENTION_BLOCK_PAGES ? pages : ATTENTION_BLOCK_PAGES;
  for (int i = 0; i < ATTENTION_BLOCK_PAGES; i++) {
    const int own = i < pages ? i : pages - 1, next = i + ATTENTION_BLOCK_PAGES;
    block->page[i] = attention_record(t->records, table[p + own]);
    block->next[i] = next < pages ? attention_record(t->records, table[p + next])
                                  : attention_after_last(t, table[i < p + pages ? i : 0], weighs_values);
  }
  return end;
}

/// The slots of a page that a row sees.
typedef struct {
  int begin, end;
} attention_slots;

APUS_INLINE attention_slots attention_seen_slots(const apus_pages *pages, int context, int position) {
  const int begin = attention_first_seen(pages, context) - position, end = context - position;
  return (attention_slots){begin > 0 ? begin : 0, end < APUS_PAGE_TOKENS ? end : APUS_PAGE_TOKENS};
}

/// The block's fp32 values for rows row ..< end. What lies in slots that a row does not see must not even meet a zero:
/// rows that see the same slots of a page go together.
static void attention_float_values_of(const attention_forward_tile *t, const attention_block *block, int row, int end,
                                      int p) {
  const long width = apus_padded_head(t->pages->head_size);
  const int *contexts = t->visible->context + t->first;
  for (int i = 0; i < block->pages; i++)
    for (int first = row, next; first < end; first = next) {
      const int position = (p + i) * APUS_PAGE_TOKENS;
      const attention_slots slots = attention_seen_slots(t->pages, contexts[first], position);
      for (next = first + 1; next < end; next++) {
        const attention_slots other = attention_seen_slots(t->pages, contexts[next], position);
        if (other.begin != slots.begin || other.end != slots.end) break;
      }
      const int depth = slots.end - slots.begin;
      if (depth <= 0) continue;
      const long query = (long)first * t->group;
      attention_multiply((attention_product){
          .rows = (next - first) * t->group, .columns = (int)width, .depth = depth, .adds = 1,
          .a = t->scores + query * t->row + position + slots.begin, .a_row = t->row, .a_step = 1,
          .b = (const float *)(block->page[i] + attention_float_values(t->pages->head_size)) + slots.begin * width,
          .b_row = width,
          .c = t->sum + query * width, .c_row = width});
    }
}

/// The integers of a query's weights, and their units. Returns the sum of its exponentials.
static float attention_weigh_pairs(const attention_forward_tile *t, int row, float *scores, float *units,
                                   float maximum) {
  const int context = t->visible->context[t->first + row], last = attention_pages_of(context) - 1;
  const int begin = attention_first_seen(t->pages, context);
  const int32_t *table = attention_table(t, row);
  const char *at = t->records.base + attention_value_scales(t->pages->head_size);
  const long stride = t->records.stride;
  pair *weights = (pair *)scores;
  vf sum[ATTENTION_PAGE_VECTORS] = {0};
  int position = begin / ATTENTION_BLOCK * ATTENTION_BLOCK;
  units += position / ATTENTION_BLOCK, table += position / APUS_PAGE_TOKENS;
  for (; position + ATTENTION_BLOCK <= context; position += ATTENTION_BLOCK, table += ATTENTION_BLOCK_PAGES) {
    const float *scales[ATTENTION_BLOCK_PAGES];
    for (int i = 0; i < ATTENTION_BLOCK_PAGES; i++) scales[i] = (const float *)(at + table[i] * stride);
    float *at = scores + position;
    pair *to = weights + position / 2;
    // Only a window's first block is begun in its middle.
    *units++ = position < begin ? attention_weigh_block(at, to, scales, maximum, begin - position, ATTENTION_BLOCK, 1, sum)
                                : attention_weigh_block(at, to, scales, maximum, 0, 0, 0, sum);
  }
  if (position < context) {
    const float *scales[ATTENTION_BLOCK_PAGES];
    const int rest = last - position / APUS_PAGE_TOKENS;
    for (int i = 0; i < ATTENTION_BLOCK_PAGES; i++)
      scales[i] = (const float *)(at + table[i < rest ? i : rest] * stride);
    *units = attention_weigh_block(scores + position, weights + position / 2, scales, maximum, begin - position,
                                   context - position, 1, sum);
  }
  return attention_sum_lanes(sum);
}

/// Scores of all rows, or the sums of values weighted by what the scores have become, four pages at a time.
static void attention_forward_blocks(const attention_forward_tile *t, int pages, int weighs_values) {
  const long width = apus_padded_head(t->pages->head_size);
  for (int p = 0; p < pages; p += ATTENTION_BLOCK_PAGES)
    for (int row = 0, end; row < t->rows; row = end) {
      attention_block block;
      end = attention_next_run(t, row, p, weighs_values, &block);
      if (!block.pages) continue;
      const long query = (long)row * t->group;
      const int count = (end - row) * t->group;
      float *scores = t->scores + query * t->row;
      if (!weighs_values) {
        attention_scores(t->pages, &block, &t->queries, query, count, scores + p * APUS_PAGE_TOKENS, t->row);
      } else if (t->pages->fixed) {
        const float *units = t->units + query * t->unit_row + p / ATTENTION_BLOCK_PAGES;
        attention_value_pairs(
            (attention_pair_values){.block = &block, .row = t->row, .size = t->pages->head_size,
                                    .weights = (const pair *)scores + p * APUS_PAGE_TOKENS / 2,
                                    .units = units, .unit_row = t->unit_row, .sum = t->sum + query * width},
            count);
      } else {
        attention_float_values_of(t, &block, row, end, p);
      }
    }
}

/// Takes a tile's queries, all set, through its pages into out, [row][ld]. log_sum_exp: [row][lse_ld], or NULL.
static void attention_forward_rows(const attention_forward_tile *t, float *out, long ld, float *log_sum_exp,
                                   long lse_ld) {
  const int size = t->pages->head_size, queries = t->rows * t->group;
  const long width = apus_padded_head(size);
  int longest = 0;
  for (int row = 0; row < t->rows; row++)
    if (t->visible->context[t->first + row] > longest) longest = t->visible->context[t->first + row];
  const int pages = attention_pages_of(longest);
  attention_forward_blocks(t, pages, 0);
  for (int query = 0; query < queries; query++) {
    const int row = query / t->group, context = t->visible->context[t->first + row];
    float *scores = t->scores + query * t->row, maximum = -INFINITY, sum = 0;
    if (context > 0) {
      const int begin = attention_first_seen(t->pages, context), first = begin / APUS_PAGE_TOKENS * APUS_PAGE_TOKENS;
      if (t->pages->soft_cap > 0) attention_cap(scores, first, context, ATTENTION_LOG2_E * t->pages->soft_cap);
      maximum = attention_largest(scores, begin, context);
      sum = t->pages->fixed ? attention_weigh_pairs(t, row, scores, t->units + query * t->unit_row, maximum)
                            : attention_weigh_floats(scores, begin, context, maximum);
    }
    t->normaliser[query] = context > 0 ? 1 / sum : 0;
    if (log_sum_exp) log_sum_exp[row * lse_ld + query % t->group] = ATTENTION_LN_2 * maximum + logf(sum);
  }
  memset(t->sum, 0, (size_t)queries * width * sizeof(float));
  attention_forward_blocks(t, pages, 1);
  for (int query = 0; query < queries; query++) {
    float *to = out + query / t->group * ld + query % t->group * size;
    const float *sum = t->sum + query * width;
    const int whole = size / APUS_LANES * APUS_LANES;
    for (int d = 0; d < whole; d += APUS_LANES) vf_store(to + d, vf_load(sum + d) * t->normaliser[query]);
    for (int d = whole; d < size; d++) to[d] = sum[d] * t->normaliser[query];
  }
}

/// Positions that a query's scores have room for: whole blocks, and a cache line so that queries do not meet in the same
/// sets of a cache.
APUS_INLINE long attention_score_room(int context) {
  return (context + ATTENTION_BLOCK - 1) / ATTENTION_BLOCK * ATTENTION_BLOCK + APUS_PAGE_TOKENS;
}

static void attention_forward(const apus_pages *pages, const apus_visibility *visible, const float *q, long ldq,
                              float *out, long ldo, float *log_sum_exp, int row_begin, int row_end, int kv_begin,
                              int kv_end, float *scratch) {
  const int size = pages->head_size, group = pages->heads / pages->kv_heads;
  const int together = attention_rows_together(pages, ATTENTION_FORWARD_QUERIES), queries = together * group;
  int longest = 0;
  for (int row = row_begin; row < row_end; row++)
    if (visible->context[row] > longest) longest = visible->context[row];
  attention_forward_tile t = {.pages = pages, .visible = visible, .group = group, .row = attention_score_room(longest)};
  t.unit_row = attention_round_up(t.row / ATTENTION_BLOCK);
  t.queries = attention_place_queries(pages, queries, attention_aligned(scratch), pages->fixed, !pages->fixed);
  t.sum = attention_aligned(scratch) + attention_query_floats(pages, queries, pages->fixed, !pages->fixed);
  t.normaliser = t.sum + queries * apus_padded_head(size);
  t.scores = t.normaliser + attention_round_up(queries);
  t.units = t.scores + queries * t.row;
  for (int kv = kv_begin; kv < kv_end; kv++) {
    t.records = attention_records_of(pages, kv);
    t.is_last_head = kv + 1 == pages->kv_heads;
    for (t.first = row_begin; t.first < row_end; t.first += together) {
      t.rows = row_end - t.first < together ? row_end - t.first : together;
      const long head = (long)kv * group;
      for (int query = 0; query < t.rows * group; query++)
        attention_set_query(pages, &t.queries, query,
                            q + (t.first + query / group) * ldq + (head + query % group) * size);
      // The next rows' queries come while these are computed.
      for (int row = t.first + together; row < row_end && row < t.first + 2 * together; row++)
        for (long d = 0; d < (long)group * size; d += 16) __builtin_prefetch(q + row * ldq + head * size + d, 0, 2);
      attention_forward_rows(&t, out + t.first * ldo + head * size, ldo,
                             log_sum_exp ? log_sum_exp + (long)t.first * pages->heads + head : NULL, pages->heads);
    }
  }
}

static size_t attention_forward_scratch(const apus_pages *pages, int max_context) {
  const long together = attention_rows_together(pages, ATTENTION_FORWARD_QUERIES);
  const long queries = together * pages->heads / pages->kv_heads;
  const long row = attention_score_room(max_context);
  return (size_t)(attention_query_floats(pages, queries, pages->fixed, !pages->fixed) +
                  queries * (apus_padded_head(pages->head_size) + row + attention_round_up(row / ATTENTION_BLOCK)) +
                  attention_round_up(queries) + ATTENTION_ALIGNMENT);
}

#define APUS_ATTENTION_KERNELS                                                                          \
  {                                                                                                     \
    .write = attention_write, .forward = attention_forward, .forward_scratch = attention_forward_scratch, \
    .backward = attention_backward, .backward_scratch = attention_backward_scratch,                      \
  }
