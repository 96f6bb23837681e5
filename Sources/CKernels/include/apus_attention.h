// Causal attention over pages of keys and values.
//
// A page holds 16 consecutive positions of one sequence, for one layer: of each key/value head a record in one of two
// formats. Records are whole cache lines. W is head_size rounded up to 16.
//
//   16 bits  keys          [head_size / 2][16] pairs of elements of one position
//            key scales    [blocks of 32 elements][16] fp32
//            value scales  [16] fp32
//            values        [8][W] pairs of positions of one element
//   fp32     keys          [head_size][16]
//            values        [16][W]
//
// The 16-bit format halves what a step of decoding reads, and pairs of integers multiply at twice the rate of fp32.
// Keys have a scale a block because a model's key bias can put one channel a hundred times above the others. The fp32
// format is the reference's, for models whose weights are fp32 too.
#ifndef APUS_ATTENTION_H
#define APUS_ATTENTION_H

#include <stddef.h>
#include <stdint.h>

enum { APUS_PAGE_TOKENS = 16, APUS_KEY_BLOCK = 32 };

/// One layer's pages. The record of page p and key/value head h is the (p * kv_heads + h)-th from base on.
typedef struct {
  void *base;     // aligned to 64 bytes
  int fixed;      // 1: integers of 16 bits with scales; 0: fp32
  int heads;      // query heads, a multiple of kv_heads; query head i reads key/value head i / (heads / kv_heads)
  int kv_heads;
  int head_size;  // even
  float scale;    // what q . k is multiplied by, such as 1 / sqrt(head_size)
  float soft_cap; // scores s become soft_cap * tanh(s / soft_cap); 0 for none
  int window;     // a row sees its last `window` keys, itself included; 0 for all
} apus_pages;

/// Values of a head, padded to whole vectors of every instruction set.
static inline long apus_padded_head(int head_size) { return (head_size + 15) / 16 * 16; }

static inline long apus_key_blocks(int head_size) { return (head_size + APUS_KEY_BLOCK - 1) / APUS_KEY_BLOCK; }

/// Bytes of one record.
static inline long apus_page_bytes(int head_size, int fixed) {
  const long width = head_size + apus_padded_head(head_size);
  return fixed ? 32 * width + 64 * (apus_key_blocks(head_size) + 1) : 64 * width;
}

/// What each query row may see: keys 0 ..< context[row], or of these the last in the window, of the sequence whose page
/// numbers begin at tables[table_offset[row]].
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
  /// Writes rows of keys and values into pages, rounded to their format: entry e is row rows[e] and goes to slot
  /// slots[e] = page * 16 + offset. One row may be written to several slots (a shared prompt's last, half-filled page is
  /// copied to each sequence). A row that is not finite makes what sees it NaN.
  void (*write)(const apus_pages *pages, const float *k, long ldk, const float *v, long ldv, const int32_t *rows,
                const int32_t *slots, int entries);

  /// out[row] = softmax(capped scale * q[row] . keys) . values for rows row_begin ..< row_end and all query heads of the
  /// key/value heads kv_begin ..< kv_end. log_sum_exp, [row][head], is written unless NULL.
  void (*forward)(const apus_pages *pages, const apus_visibility *visible, const float *q, long ldq, float *out,
                  long ldo, float *log_sum_exp, int row_begin, int row_end, int kv_begin, int kv_end, float *scratch);
  /// Floats of scratch that forward needs for contexts up to max_context.
  size_t (*forward_scratch)(const apus_pages *pages, int max_context);

  /// Gradients of one run for key/value head kv, as if the pages' keys and values were what was written. q (rotated), out
  /// and d_out are [row][heads * head_size].
  /// Writes d_q of the run's rows. Adds to d_k, d_v, [row][kv_heads * head_size], for the run's own rows, and to
  /// d_prefix_k, d_prefix_v, [position][kv_heads * head_size], for positions below first_position.
  void (*backward)(const apus_pages *pages, const apus_run *run, int kv, const float *q, long ldq, const float *out,
                   const float *d_out, long ldo, const float *log_sum_exp, float *d_q, long lddq, float *d_k,
                   float *d_v, long ldkv, float *d_prefix_k, float *d_prefix_v, float *scratch);
  size_t (*backward_scratch)(const apus_pages *pages, int max_context);
} apus_attention_kernels;

#endif
