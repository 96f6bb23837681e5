// Causal attention over pages of keys and values.
//
// A page holds 16 consecutive positions of one sequence, for one layer. Keys lie transposed, so that one query element
// times 16 keys is one vector operation; values lie by position, so that one probability times a value row is another.
#ifndef APUS_ATTENTION_H
#define APUS_ATTENTION_H

#include <stddef.h>
#include <stdint.h>

enum { APUS_PAGE_TOKENS = 16 };

/// One layer's pages. Page p of key/value head h begins at keys + (p * kv_heads + h) * head_size * 16, laid out
/// [head_size][16], and at values + (p * kv_heads + h) * head_size * 16, laid out [16][head_size].
typedef struct {
  float *keys;
  float *values;
  int heads;      // query heads, a multiple of kv_heads; query head i reads key/value head i / (heads / kv_heads)
  int kv_heads;
  int head_size;  // a multiple of 4
  float scale;    // 1 / sqrt(head_size)
} apus_pages;

/// What each query row may see: keys 0 ..< context[row] of the sequence whose page numbers begin at
/// tables[table_offset[row]].
typedef struct {
  const int32_t *tables;
  const int32_t *table_offset;
  const int32_t *context;
} apus_visibility;

/// A run of consecutive rows of one sequence, for the backward pass: row first_row + i has position first_position + i.
/// Keys at positions below first_position (a prompt shared with other runs) belong to no row of this run.
typedef struct {
  int first_row, rows, first_position;
  const int32_t *table;  // page numbers of the sequence
} apus_run;

typedef struct {
  /// Writes rows of keys and values into pages: entry e copies row rows[e] to slot slots[e] = page * 16 + offset.
  /// One row may be written to several slots (a shared prompt's last, half-filled page is copied to each sequence).
  void (*write)(const apus_pages *pages, const float *k, long ldk, const float *v, long ldv, const int32_t *rows,
                const int32_t *slots, int entries);

  /// out[row] = softmax(scale * q[row] . keys) . values for rows row_begin ..< row_end and all query heads of the
  /// key/value heads kv_begin ..< kv_end. log_sum_exp, [row][head], is written unless NULL.
  void (*forward)(const apus_pages *pages, const apus_visibility *visible, const float *q, long ldq, float *out,
                  long ldo, float *log_sum_exp, int row_begin, int row_end, int kv_begin, int kv_end, float *scratch);
  /// Floats of scratch that forward needs for contexts up to max_context.
  size_t (*forward_scratch)(const apus_pages *pages, int max_context);

  /// Gradients of one run for key/value head kv. q (rotated), out and d_out are [row][heads * head_size].
  /// Writes d_q of the run's rows. Adds to d_k, d_v, [row][kv_heads * head_size], for the run's own rows, and to
  /// d_prefix_k, d_prefix_v, [position][kv_heads * head_size], for positions below first_position.
  void (*backward)(const apus_pages *pages, const apus_run *run, int kv, const float *q, long ldq, const float *out,
                   const float *d_out, long ldo, const float *log_sum_exp, float *d_q, long lddq, float *d_k,
                   float *d_v, long ldkv, float *d_prefix_k, float *d_prefix_v, float *scratch);
  size_t (*backward_scratch)(const apus_pages *pages, int max_context);
} apus_attention_kernels;

#endif
