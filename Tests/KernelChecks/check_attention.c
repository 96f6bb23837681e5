// Attention over pages against sums in double (forward) and the plain C kernels (backward), and rows on their own.
#include "check.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { rows = 24, prefix = 21, context = prefix + rows, page_count = (context + 15) / 16 };

typedef struct {
  apus_pages pages;
  int32_t table[page_count], offsets[rows], contexts[rows];
  float *k, *v, *q, *d_out;  // k, v: [position], as the pages hold them; q, d_out: [row]
  long q_width, kv_width;
} attention_case;

/// Element d of a position's key and value, read back from where the layout says.
static void read_back(const apus_pages *pages, int page, int kv, int slot, int d, float *key, float *value) {
  const int size = pages->head_size, scales = 32 * size, value_scales = scales + 64 * (int)apus_key_blocks(size);
  const long width = apus_padded_head(size);
  const char *record =
      (const char *)pages->base + (page * pages->kv_heads + kv) * apus_page_bytes(size, pages->fixed);
  if (!pages->fixed) {
    *key = ((const float *)record)[d * 16 + slot], *value = ((const float *)(record + 64 * size))[slot * width + d];
    return;
  }
  const int16_t *keys = (const int16_t *)record, *values = (const int16_t *)(record + value_scales + 64);
  *key = ((const float *)(record + scales))[d / 32 * 16 + slot] * keys[2 * (d / 2 * 16 + slot) + d % 2];
  *value = ((const float *)(record + value_scales))[slot] * values[2 * (slot / 2 * width + d) + slot % 2];
}

static attention_case make_case(const subject *s, int heads, int kv_heads, int size, int fixed) {
  attention_case c = {.q_width = heads * size, .kv_width = kv_heads * size};
  c.pages = (apus_pages){NULL, fixed, heads, kv_heads, size, 1 / sqrtf((float)size), 0, 0};
  const size_t bytes = (size_t)((page_count + 2) * kv_heads * apus_page_bytes(size, fixed));
  c.pages.base = aligned_alloc(64, bytes);
  memset(c.pages.base, 0xff, bytes);  // NaN where no position is written
  c.k = random_floats(context * c.kv_width), c.v = random_floats(context * c.kv_width);
  c.q = random_floats(rows * c.q_width), c.d_out = random_floats(rows * c.q_width);
  for (long i = 0; i < rows * c.q_width; i++) c.q[i] *= 4;
  for (int i = 0; i < page_count; i++) c.table[i] = page_count + 1 - i;
  for (int i = 0; i < rows; i++) c.offsets[i] = 0, c.contexts[i] = prefix + i + 1;
  int32_t from[context], slots[context];
  for (int i = 0; i < context; i++) from[i] = i, slots[i] = c.table[i / 16] * 16 + i % 16;
  s->kernels->attention.write(&c.pages, c.k, c.kv_width, c.v, c.kv_width, from, slots, context);
  for (int i = 0; i < context; i++)
    for (int j = 0; j < c.kv_width; j++) {
      const long at = i * c.kv_width + j;
      float key, value;
      read_back(&c.pages, c.table[i / 16], j / size, i % 16, j % size, &key, &value);
      expect_near(key, c.k[at], fixed ? 7e-5 : 0), expect_near(value, c.v[at], fixed ? 7e-5 : 0);
      c.k[at] = key, c.v[at] = value;
    }
  return c;
}

static void forward(const subject *s, const attention_case *c, int begin, int end, int kv_begin, int kv_end, float *out,
                    float *log_sum_exp) {
  const apus_attention_kernels *k = &s->kernels->attention;
  float *scratch = zeros((long)k->forward_scratch(&c->pages, context));
  apus_visibility visible = {c->table, c->offsets, c->contexts};
  k->forward(&c->pages, &visible, c->q, c->q_width, out, c->q_width, log_sum_exp, begin, end, kv_begin, kv_end, scratch);
  free(scratch);
}

static void check_forward_values(const attention_case *c, const float *out, const float *log_sum_exp) {
  const int size = c->pages.head_size, heads = c->pages.heads, group = heads / c->pages.kv_heads;
  for (int r = 0; r < rows; r++)
    for (int h = 0; h < heads; h++) {
      double weights[context], sum = 0;
      const float *q = c->q + r * c->q_width + h * size;
      for (int p = 0; p < c->contexts[r]; p++) {
        double score = 0;
        for (int d = 0; d < size; d++) score += (double)q[d] * c->k[p * c->kv_width + h / group * size + d];
        sum += weights[p] = exp(score * c->pages.scale);
      }
      // With 16 bits queries and weights are rounded too, to 1 / 8,190 of the largest.
      const double rounding = c->pages.fixed ? 1e-3 : 0;
      expect_near(log_sum_exp[r * heads + h], log(sum), 1e-5 + rounding);
      for (int d = 0; d < size; d++) {
        double value = 0;
        for (int p = 0; p < c->contexts[r]; p++) value += weights[p] / sum * c->v[p * c->kv_width + h / group * size + d];
        expect_near(out[r * c->q_width + h * size + d], value, 5e-6 + rounding);
      }
    }
}

static void check_forward(const subject *s, const attention_case *c, float *out, float *log_sum_exp) {
  const int heads = c->pages.heads;
  open_group(s, "attention forward, %d heads on %d of %d, %s", heads, c->pages.kv_heads, c->pages.head_size,
             c->pages.fixed ? "16 bits" : "fp32");
  forward(s, c, 0, rows, 0, c->pages.kv_heads, out, log_sum_exp);
  check_forward_values(c, out, log_sum_exp);
  const int batches[] = {1, 2, 7};
  for (int b = 0; b < 3; b++) {
    float *part = zeros(rows * c->q_width), *part_lse = zeros(rows * heads);
    for (int begin = 0; begin < rows; begin += batches[b])
      for (int kv = 0; kv < c->pages.kv_heads; kv++)
        forward(s, c, begin, begin + batches[b] < rows ? begin + batches[b] : rows, kv, kv + 1, part, part_lse);
    expect_same_bits(part, out, sizeof(float) * (size_t)(rows * c->q_width), "attention rows in other company");
    expect_same_bits(part_lse, log_sum_exp, sizeof(float) * (size_t)(rows * heads), "log-sum-exp in other company");
    free(part), free(part_lse);
  }
  close_group();
}

static void check_backward(const subject *s, const attention_case *c, const float *out, const float *log_sum_exp) {
  const apus_kernels *both[] = {s->kernels, s->plain};
  const long sizes[] = {rows * c->q_width, rows * c->kv_width, rows * c->kv_width, prefix * c->kv_width,
                        prefix * c->kv_width};
  apus_run run = {0, rows, prefix, c->table};
  float *results[2][5];
  for (int i = 0; i < 2; i++) {
    float **g = results[i];
    for (int j = 0; j < 5; j++) g[j] = zeros(sizes[j]);
    float *scratch = zeros((long)both[i]->attention.backward_scratch(&c->pages, context));
    for (int kv = 0; kv < c->pages.kv_heads; kv++)
      both[i]->attention.backward(&c->pages, &run, kv, c->q, c->q_width, out, c->d_out, c->q_width, log_sum_exp, g[0],
                                  c->q_width, g[1], g[2], c->kv_width, g[3], g[4], scratch);
    free(scratch);
  }
  open_group(s, "attention backward, %d heads on %d of %d, %s", c->pages.heads, c->pages.kv_heads, c->pages.head_size,
             c->pages.fixed ? "16 bits" : "fp32");
  for (int j = 0; j < 5; j++) expect_array_near(results[0][j], results[1][j], sizes[j], 1e-5);
  close_group();
  for (int j = 0; j < 5; j++) free(results[0][j]), free(results[1][j]);
}

void check_attention(const subject *s) {
  const int shapes[][3] = {{9, 3, 64}, {4, 4, 20}, {14, 2, 36}};
  for (int i = 0; i < 6; i++) {
    const int *shape = shapes[i / 2];
    open_group(s, "attention write, heads of %d, %s", shape[2], i % 2 ? "16 bits" : "fp32");
    attention_case c = make_case(s, shape[0], shape[1], shape[2], i % 2);
    close_group();
    float *out = zeros(rows * c.q_width), *log_sum_exp = zeros(rows * c.pages.heads);
    check_forward(s, &c, out, log_sum_exp);
    check_backward(s, &c, out, log_sum_exp);
    free(out), free(log_sum_exp), free(c.k), free(c.v), free(c.q), free(c.d_out), free(c.pages.base);
  }
}
