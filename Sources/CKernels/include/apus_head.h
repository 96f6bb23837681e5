// From logits to log-probabilities, entropy and their gradient, a tile of the vocabulary at a time.
//
// The vocabulary is cut into tiles of APUS_VOCABULARY_TILE. Each tile of a row gives its maximum, the sum of
// exponentials and the weighted sum of logits; tiles are combined in ascending order. Sampling and training call the
// same two functions on the same logits, so a token's log-probability has the same bits in both.
#ifndef APUS_HEAD_H
#define APUS_HEAD_H

#include <stdint.h>

enum { APUS_VOCABULARY_TILE = 768 };  // a multiple of every panel width (8, 16, 48)

/// One tile of one row of z = logits * inverse_temperature: largest z, Σ e^(z - largest), Σ e^(z - largest) z.
typedef struct {
  float largest, sum, weighted;
} apus_tile_summary;

typedef struct {
  /// Summary of count (at most APUS_VOCABULARY_TILE) logits.
  apus_tile_summary (*summarize)(const float *logits, int count, float inverse_temperature);
  /// log Σ e^z and the entropy -Σ p log p, in nats, from a row's tiles in order.
  void (*combine)(const apus_tile_summary *tiles, int count, float *log_sum_exp, float *entropy);
  /// Replaces count products x of the head by the logits that they mean: scale x, or cap tanh(scale x / cap) where cap is
  /// above 0.
  void (*cap)(float *products, long count, float scale, float cap);
  /// Replaces a tile of logits by d loss / d products:
  /// (d_log_prob (1[j = target] - p_j) - d_entropy p_j (log p_j + entropy)) * inverse_temperature * d logit / d product,
  /// p_j = e^(z_j - log_sum_exp). target counts from the tile's start; outside 0 ..< count it is in another tile. scale
  /// and cap are what `cap` was given: 1 and 0 where it was not called.
  void (*gradient)(float *logits, int count, float inverse_temperature, float log_sum_exp, float entropy,
                   int target, float d_log_prob, float d_entropy, float scale, float cap);
} apus_head_kernels;

#endif
