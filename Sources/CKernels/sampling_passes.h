// The full passes over a row of logits; the including file has set up its instruction set (see vector.h) and defines
// SAMPLING_TABLE. Nothing here is fused and sums do not depend on the lanes: every copy gives the same bits.
#include "sampling.h"
#include "vector.h"

/// The last, incomplete vector of a row, filled up.
APUS_INLINE vf load_rest(const float *x, int count, float fill) {
  vf v = vf_set(fill);
  memcpy(&v, x, (size_t)count * sizeof(float));
  return v;
}

APUS_INLINE vf choose(vi condition, vf yes, vf no) { return (vf)((condition & (vi)yes) | (~condition & (vi)no)); }

APUS_INLINE void store_rest(float *x, int count, vf v) { memcpy(x, &v, (size_t)count * sizeof(float)); }

/// The largest logit, or NaN where nothing can be drawn: a NaN or +inf in the row, or every logit -inf.
static float largest_drawable(const float *x, int n) {
  vf largest = vf_set(-INFINITY);
  vi nan = {0};
  int i = 0;
  for (; i + APUS_LANES <= n; i += APUS_LANES) {
    vf v = vf_load(x + i);
    nan |= v != v;
    largest = choose(v > largest, v, largest);
  }
  vf rest = load_rest(x + i, n - i, -INFINITY);
  nan |= rest != rest;
  float result = vf_largest(choose(rest > largest, rest, largest));
  for (int lane = 0; lane < APUS_LANES; lane++)
    if (nan[lane]) return NAN;
  return isinf(result) ? NAN : result;
}

enum {
  CHUNK = 1024,  // elements that are added up in fp32; chunks are added in fp64
  SUMS = 32,     // partial sums of a chunk, whatever the lanes
  SUM_VECTORS = SUMS / APUS_LANES,
};

/// Partial sums, joined as a balanced tree.
APUS_INLINE double chunk_sum(const float *x, int count) {
  vf vectors[SUM_VECTORS] = {0};
  int i = 0;
  for (; i + SUMS <= count; i += SUMS)
    for (int s = 0; s < SUM_VECTORS; s++) vectors[s] += vf_load(x + i + s * APUS_LANES);
  float sums[SUMS];
  memcpy(sums, vectors, sizeof sums);
  for (int s = 0; i < count; i++, s++) sums[s] += x[i];
  for (int half = SUMS / 2; half > 0; half /= 2)
    for (int s = 0; s < half; s++) sums[s] += sums[s + half];
  return sums[0];
}

APUS_INLINE int chunk_size(int begin, int n) { return n - begin < CHUNK ? n - begin : CHUNK; }

/// Writes weights[i] = e^(x[i] - largest) and returns their sum, chunk by chunk in order.
static double exponentials(const float *x, int n, float largest, float *weights) {
  double total = 0;
  for (int begin = 0; begin < n; begin += CHUNK) {
    int i = begin, end = begin + chunk_size(begin, n);
    for (; i + APUS_LANES <= end; i += APUS_LANES) vf_store(weights + i, vf_exp(vf_load(x + i) - largest));
    store_rest(weights + i, end - i, vf_exp(load_rest(x + i, end - i, 0) - largest));
    total += chunk_sum(weights + begin, end - begin);
  }
  return total;
}

// MARK: Selection

/// Bits whose unsigned order is the order of the floats; -0 ties with +0.
APUS_INLINE vu ordered_bits(vf x) {
  vi bits = (vi)(x + 0.0f);
  return (vu)(bits ^ (bits >> 31 | INT32_MIN));
}

enum { BINS = 2048 };

/// Adds up the weights of the values whose key, under the mask, is the prefix, by the key's bits from `shift` on.
APUS_INLINE void histogram(const float *x, const float *weights, int n, uint32_t prefix, uint32_t mask, int shift,
                           double *mass) {
  for (int i = 0; i < n; i += APUS_LANES) {
    int count = n - i < APUS_LANES ? n - i : APUS_LANES;
    vu keys = ordered_bits(count == APUS_LANES ? vf_load(x + i) : load_rest(x + i, count, 0));
    vi matches = (keys & mask) == (vu){0} + prefix;
    if (!__builtin_reduce_or(matches)) continue;
    vu bins = keys >> (uint32_t)shift & (BINS - 1);
    for (int lane = 0; lane < count; lane++)
      if (matches[lane]) mass[bins[lane]] += weights ? weights[i + lane] : 1;
  }
}

/// Goes down from the largest value until the mass of what was passed reaches the limit: a radix selection, in three
/// passes of 11, 11 and 10 bits, so its time hardly depends on how the values are spread. weights NULL weighs each 1.
APUS_INLINE selection select_from_top(const float *x, const float *weights, int n, double limit) {
  static const int shifts[] = {21, 10, 0};
  static const uint32_t masks[] = {0, 0xFFE00000u, 0xFFFFFC00u};
  selection s = {0, 0};
  for (int level = 0; level < 3; level++) {
    double mass[BINS] = {0};
    histogram(x, weights, n, s.key, masks[level], shifts[level], mass);
    // Where rounding keeps the mass below the limit, the smallest value that weighs anything is the answer.
    uint32_t chosen = BINS - 1;
    double above = s.above, passed = s.above;
    for (uint32_t bin = BINS; bin-- > 0;) {
      if (mass[bin] == 0) continue;
      chosen = bin;
      above = passed;
      passed += mass[bin];
      if (passed >= limit) break;
    }
    s.key |= chosen << shifts[level];
    s.above = above;
  }
  return s;
}

static selection select_by_count(const float *x, int n, int count) {
  return select_from_top(x, 0, n, count);
}

static selection select_by_mass(const float *x, const float *weights, int n, double limit) {
  return select_from_top(x, weights, n, limit);
}

static void divide(float *logits, int n, float temperature) {
  for (int i = 0; i < n; i++) logits[i] /= temperature;
}

static void drop_below(float *logits, int n, float threshold) {
  for (int i = 0; i < n; i++) logits[i] = logits[i] < threshold ? -INFINITY : logits[i];
}

/// The first token whose cumulative weight passes uniform * total. Whole chunks are skipped by their sums; rounding can
/// leave a chunk, or the row, without an answer, and then its last token of positive weight is the one.
static int draw(const float *weights, int n, double uniform, double total) {
  double left = uniform * total;
  int begin = 0, last_positive = 0;
  for (; begin + CHUNK < n; begin += CHUNK) {
    double sum = chunk_sum(weights + begin, CHUNK);
    if (left < sum) break;
    left -= sum;
  }
  int end = begin + chunk_size(begin, n);
  for (int i = begin; i < end; i++) {
    left -= weights[i];
    if (left < 0) return i;
  }
  for (int i = 0; i < end; i++)
    if (weights[i] > 0) last_positive = i;
  return last_positive;
}

const sampling_passes SAMPLING_TABLE = {
    .largest_drawable = largest_drawable,
    .exponentials = exponentials,
    .select_by_count = select_by_count,
    .select_by_mass = select_by_mass,
    .divide = divide,
    .drop_below = drop_below,
    .draw = draw,
};
