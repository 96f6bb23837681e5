// The sampler; see apus_sampling.h. Equal logits give the same token on every processor.
#include "apus_sampling.h"

#include <math.h>
#include <string.h>

#include "sampling.h"

// MARK: Filters

static const sampling_passes *passes(void) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) return &sampling_passes_avx2;
#endif
  return &sampling_passes_portable;
}

/// The float with the given ordered bits.
static float float_from_ordered(uint32_t key) {
  uint32_t bits = key & 0x80000000u ? key ^ 0x80000000u : ~key;
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static void apply_history(float *logits, float penalty, const apus_sampling_history *history, float *scratch) {
  if (penalty != 1) {
    // Computed from the untouched logits first: an id that occurs twice is penalised once.
    for (int i = 0; i < history->seen_count; i++) {
      float logit = logits[history->seen[i]];
      scratch[history->seen[i]] = logit < 0 ? logit * penalty : logit / penalty;
    }
    for (int i = 0; i < history->seen_count; i++) logits[history->seen[i]] = scratch[history->seen[i]];
  }
  for (int i = 0; i < history->banned_count; i++) logits[history->banned[i]] = -INFINITY;
}

static void keep_top_k(float *logits, int n, int k) {
  passes()->drop_below(logits, n, float_from_ordered(passes()->select_by_count(logits, n, k).key));
}

static void keep_top_p(float *logits, int n, float p, float largest, float *scratch) {
  double limit = p * passes()->exponentials(logits, n, largest, scratch);
  selection s = passes()->select_by_mass(logits, scratch, n, limit);
  float threshold = float_from_ordered(s.key);
  passes()->drop_below(logits, n, threshold);
  // Of the values at the threshold the last ids stay, as a stable ascending sort has it; one stays in any case.
  double passed = s.above;
  int kept = 0;
  for (int i = n - 1; i >= 0; i--) {
    if (logits[i] != threshold) continue;
    if (kept && passed >= limit) logits[i] = -INFINITY;
    passed += scratch[i];
    kept = 1;
  }
}

/// A probability over the largest one is e^(logit - largest): the softmax's denominator cancels.
static void keep_min_p(float *logits, int n, float min_p, float largest, float *scratch) {
  passes()->exponentials(logits, n, largest, scratch);
  for (int i = 0; i < n; i++) logits[i] = scratch[i] < min_p ? -INFINITY : logits[i];
}

/// The filters after the history; returns the largest logit, or NaN where nothing can be drawn.
static float filter(float *logits, int vocab, const apus_sampling_parameters *p, float *scratch) {
  if (p->temperature != 1) passes()->divide(logits, vocab, p->temperature);
  float largest = passes()->largest_drawable(logits, vocab);
  if (isnan(largest)) return largest;
  if (p->top_k > 0 && p->top_k < vocab) keep_top_k(logits, vocab, p->top_k);
  if (p->top_p < 1) keep_top_p(logits, vocab, p->top_p, largest, scratch);
  if (p->min_p > 0) keep_min_p(logits, vocab, p->min_p, largest, scratch);
  return largest;
}

int apus_filter_logits(float *logits, int vocab, const apus_sampling_parameters *parameters,
                       const apus_sampling_history *history, float *scratch) {
  apply_history(logits, parameters->repetition_penalty, history, scratch);
  return isnan(filter(logits, vocab, parameters, scratch)) ? -1 : 0;
}

// MARK: Drawing

static int first_equal(const float *x, int n, float value) {
  for (int i = 0; i < n; i++)
    if (x[i] == value) return i;
  return -1;
}

int apus_sample_row(float *logits, int vocab, const apus_sampling_parameters *parameters,
                    const apus_sampling_history *history, double uniform, float *scratch) {
  apply_history(logits, parameters->repetition_penalty, history, scratch);
  if (parameters->temperature == 0) {
    float largest = passes()->largest_drawable(logits, vocab);
    return isnan(largest) ? -1 : first_equal(logits, vocab, largest);
  }
  float largest = filter(logits, vocab, parameters, scratch);
  if (isnan(largest)) return -1;
  double total = passes()->exponentials(logits, vocab, largest, scratch);
  return passes()->draw(scratch, vocab, uniform, total);
}
