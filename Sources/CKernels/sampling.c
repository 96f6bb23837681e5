// Philox and the sampler; see apus_sampling.h. One build of it serves every processor: four lanes, nothing fused, so
// that equal logits give the same token everywhere.
#include "apus_sampling.h"

#define APUS_LANES 4
#define APUS_FMA 0
#include "vector.h"

// MARK: Random numbers

void apus_philox(uint64_t key, const uint32_t counter[4], uint32_t words[4]) {
  uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
  uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
  for (int round = 0; round < 10; round++) {
    uint64_t a = (uint64_t)0xD2511F53 * c0, b = (uint64_t)0xCD9E8D57 * c2;
    c0 = (uint32_t)(b >> 32) ^ c1 ^ k0;
    c1 = (uint32_t)b;
    c2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
    c3 = (uint32_t)a;
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  words[0] = c0, words[1] = c1, words[2] = c2, words[3] = c3;
}

double apus_uniform(uint64_t seed, uint32_t step, uint32_t sample, uint32_t position) {
  const uint32_t counter[4] = {step, sample, position, 0};
  uint32_t words[4];
  apus_philox(seed, counter, words);
  uint64_t bits = ((uint64_t)words[0] << 32 | words[1]) >> 11;
  return (double)bits * 0x1p-53;
}

// MARK: Passes over the row

/// The vector at i, with what lies past the row's end filled in.
APUS_INLINE vf load_padded(const float *x, int i, int n, float fill) {
  if (i + APUS_LANES <= n) return vf_load(x + i);
  vf v = vf_set(fill);
  memcpy(&v, x + i, (size_t)(n - i) * sizeof(float));
  return v;
}

APUS_INLINE void store_padded(float *x, int i, int n, vf v) {
  int count = n - i < APUS_LANES ? n - i : APUS_LANES;
  memcpy(x + i, &v, (size_t)count * sizeof(float));
}

/// The largest logit, or NaN where nothing can be drawn: a NaN or +inf in the row, or every logit -inf.
static float largest_drawable(const float *x, int n) {
  vf largest = vf_set(-INFINITY);
  vi nan = {0};
  for (int i = 0; i < n; i += APUS_LANES) {
    vf v = load_padded(x, i, n, -INFINITY);
    nan |= v != v;
    largest = vf_max(v, largest);
  }
  for (int lane = 0; lane < APUS_LANES; lane++)
    if (nan[lane]) return NAN;
  float result = vf_largest(largest);
  return isinf(result) ? NAN : result;
}

enum { CHUNK = 1024 };  // elements in one fp32 partial sum

static double chunk_sum(const float *x, int begin, int n) {
  int end = n - begin < CHUNK ? n : begin + CHUNK;
  vf even = vf_zero(), odd = vf_zero();
  for (int i = begin; i < end; i += 2 * APUS_LANES) {
    even += load_padded(x, i, end, 0);
    if (i + APUS_LANES < end) odd += load_padded(x, i + APUS_LANES, end, 0);
  }
  return vf_sum(even + odd);
}

/// Writes weights[i] = e^(x[i] - largest) and returns their sum, chunk by chunk in order.
static double exponentials(const float *x, int n, float largest, float *weights) {
  for (int i = 0; i < n; i += APUS_LANES) store_padded(weights, i, n, vf_exp(load_padded(x, i, n, -INFINITY) - largest));
  double total = 0;
  for (int begin = 0; begin < n; begin += CHUNK) total += chunk_sum(weights, begin, n);
  return total;
}

// MARK: Selection

/// Bits whose unsigned order is the order of the floats.
APUS_INLINE uint32_t ordered_bits(float x) {
  x += 0.0f;  // -0 ties with +0
  uint32_t u;
  memcpy(&u, &x, sizeof u);
  return u ^ ((uint32_t)((int32_t)u >> 31) | 0x80000000u);
}

typedef struct {
  uint32_t key;  // ordered bits of the last value, from the top, that the mass reaches
  double above;  // mass of all larger values
} selection;

/// Goes down from the largest value until the mass of what was passed reaches the limit: a radix selection, in three
/// passes of 11, 11 and 10 bits, so its time does not depend on how the values are spread. weights NULL weighs each 1.
static selection select_from_top(const float *x, const float *weights, int n, double limit) {
  static const int shifts[] = {21, 10, 0}, widths[] = {11, 11, 10};
  selection s = {0, 0};
  uint32_t mask = 0;
  for (int level = 0; level < 3; level++) {
    double mass[2048] = {0};
    uint32_t bins = 1u << widths[level];
    for (int i = 0; i < n; i++) {
      uint32_t key = ordered_bits(x[i]);
      if ((key & mask) == s.key) mass[key >> shifts[level] & (bins - 1)] += weights ? weights[i] : 1;
    }
    // Where rounding keeps the mass below the limit, the smallest value that weighs anything is the answer.
    uint32_t chosen = bins - 1;
    double above = s.above, passed = s.above;
    for (uint32_t bin = bins; bin-- > 0;) {
      if (mass[bin] == 0) continue;
      chosen = bin;
      above = passed;
      passed += mass[bin];
      if (passed >= limit) break;
    }
    s.key |= chosen << shifts[level];
    s.above = above;
    mask |= (bins - 1) << shifts[level];
  }
  return s;
}

// MARK: Filters

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

static void divide(float *logits, int n, float temperature) {
  for (int i = 0; i < n; i += APUS_LANES) store_padded(logits, i, n, load_padded(logits, i, n, 0) / temperature);
}

static void keep_top_k(float *logits, int n, int k) {
  uint32_t threshold = select_from_top(logits, 0, n, k).key;
  for (int i = 0; i < n; i++)
    if (ordered_bits(logits[i]) < threshold) logits[i] = -INFINITY;
}

static void keep_top_p(float *logits, int n, float p, float largest, float *scratch) {
  double limit = p * exponentials(logits, n, largest, scratch);
  selection s = select_from_top(logits, scratch, n, limit);
  // From the last id down, as a stable ascending sort has it: the first of equal logits are the first to go.
  double passed = s.above;
  int kept_threshold = 0;
  for (int i = n - 1; i >= 0; i--) {
    uint32_t key = ordered_bits(logits[i]);
    if (key > s.key) continue;
    if (key == s.key && (passed < limit || !kept_threshold)) {
      passed += scratch[i];
      kept_threshold = 1;
    } else {
      logits[i] = -INFINITY;
    }
  }
}

/// A probability over the largest one is e^(logit - largest): the softmax's denominator cancels.
static void keep_min_p(float *logits, int n, float min_p, float largest) {
  const vi dropped = (vi)vf_set(-INFINITY);
  for (int i = 0; i < n; i += APUS_LANES) {
    vf v = load_padded(logits, i, n, -INFINITY);
    vi drop = vf_exp(v - largest) < min_p;
    store_padded(logits, i, n, (vf)((dropped & drop) | ((vi)v & ~drop)));
  }
}

/// The filters after the history; returns the largest logit, or NaN where nothing can be drawn.
static float filter(float *logits, int vocab, const apus_sampling_parameters *p, float *scratch) {
  if (p->temperature != 1) divide(logits, vocab, p->temperature);
  float largest = largest_drawable(logits, vocab);
  if (isnan(largest)) return largest;
  if (p->top_k > 0 && p->top_k < vocab) keep_top_k(logits, vocab, p->top_k);
  if (p->top_p < 1) keep_top_p(logits, vocab, p->top_p, largest, scratch);
  if (p->min_p > 0) keep_min_p(logits, vocab, p->min_p, largest);
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

/// The first token whose cumulative weight passes uniform * total. Whole chunks are skipped by their sums; rounding can
/// leave a chunk, or the row, without an answer, and then its last token of positive weight is the one.
static int draw(const float *weights, int n, double uniform, double total) {
  double left = uniform * total;
  int last = -1;
  for (int begin = 0; begin < n; begin += CHUNK) {
    double sum = chunk_sum(weights, begin, n);
    if (sum == 0) continue;
    int end = n - begin < CHUNK ? n : begin + CHUNK, is_here = left < sum;
    for (int i = begin; is_here && i < end; i++) {
      if (weights[i] > 0) last = i;
      left -= weights[i];
      if (left < 0) return i;
    }
    if (is_here) return last;
    left -= sum;
  }
  for (last = n - 1; last > 0 && weights[last] == 0; last--) {}
  return last;
}

int apus_sample_row(float *logits, int vocab, const apus_sampling_parameters *parameters,
                    const apus_sampling_history *history, double uniform, float *scratch) {
  apply_history(logits, parameters->repetition_penalty, history, scratch);
  if (parameters->temperature == 0) {
    float largest = largest_drawable(logits, vocab);
    return isnan(largest) ? -1 : first_equal(logits, vocab, largest);
  }
  float largest = filter(logits, vocab, parameters, scratch);
  if (isnan(largest)) return -1;
  double total = exponentials(logits, vocab, largest, scratch);
  return draw(scratch, vocab, uniform, total);
}
