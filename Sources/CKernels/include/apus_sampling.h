// The choice of a token from a row of logits.
#ifndef APUS_SAMPLING_H
#define APUS_SAMPLING_H

#include <stdint.h>

typedef struct {
  float temperature;         // 0 takes the most probable token
  int top_k;                 // 0 is off
  float top_p;               // 1 is off
  float min_p;               // 0 is off
  float repetition_penalty;  // 1 is off
} apus_sampling_parameters;

/// Tokens that change the logits of one row, as ids below the vocabulary's size.
typedef struct {
  const int32_t *seen;  // prompt and output so far: each id is penalised once, however often it occurs
  int seen_count;
  const int32_t *banned;  // tokens that must not come now (end tokens before the shortest length)
  int banned_count;
} apus_sampling_history;

/// What transformers' generate() does to a row of logits before it draws: repetition penalty, banned tokens,
/// temperature, top-k (ties with the k-th stay), top-p (drops what an ascending cumulative sum of the softmax keeps at
/// or below 1 - top_p; of equal logits the lowest ids go first), min-p. Dropped tokens become -inf.
/// The temperature must be positive. scratch holds vocab floats.
/// Returns 0, or -1 where the row has a NaN, a +inf, or nothing but -inf.
int apus_filter_logits(float *logits, int vocab, const apus_sampling_parameters *parameters,
                       const apus_sampling_history *history, float *scratch);

/// Draws a token: the filters above, then the inverse of the cumulative distribution in token order at `uniform`.
/// Temperature 0 takes the largest logit after the penalty, the lowest id among equals. The logits are overwritten.
/// Returns the token, or -1 where apus_filter_logits does.
int apus_sample_row(float *logits, int vocab, const apus_sampling_parameters *parameters,
                    const apus_sampling_history *history, double uniform, float *scratch);

#endif
