// The softmax of attention. Scores come in powers of two: queries are scaled by log2(e) with the rest, so that an
// exponential needs no product to find its exponent.

#define ATTENTION_LOG2_E 1.44269504f
#define ATTENTION_LN_2 0.693147181f

/// The larger one; b where one of them is NaN.
APUS_INLINE vf attention_larger(vf a, vf b) {
  const vi larger = a > b;
  return (vf)(((vi)a & larger) | ((vi)b & ~larger));
}

/// 2^x to 2 ulp for x <= 0, never below 2^-126; NaN stays.
APUS_INLINE vf attention_exp2(vf x) {
  x = attention_larger(vf_set(-125.0f), x);
  // 1.5 * 2^23: the nearest integer in the low bits.
  const vf shifted = x + 12582912.0f, r = x - (shifted - 12582912.0f);
  vf p = vf_fma(vf_set(1.326472731e-3f), r, vf_set(9.671512991e-3f));
  p = vf_fma(p, r, vf_set(5.550733581e-2f));
  p = vf_fma(p, r, vf_set(2.402224243e-1f));
  p = vf_fma(p, r, vf_set(6.931470037e-1f));
  p = vf_fma(p, r, vf_set(1.0f));
  return (vf)((vi)p + ((vi)shifted << 23));
}

/// All ones in the lanes whose number, counted from `first`, is below `end`.
APUS_INLINE vi attention_lanes_below(int first, int end) {
  vi lane;
  for (int j = 0; j < APUS_LANES; j++) lane[j] = j;
  return lane < end - first;
}

/// All ones in the lanes whose number, counted from `first`, is in begin ..< end.
APUS_INLINE vi attention_lanes_in(int first, int begin, int end) {
  return attention_lanes_below(first, end) & ~attention_lanes_below(first, begin);
}

/// Caps the scores of positions first ..< context, first being a page's; cap is in powers of two too.
static void attention_cap(float *scores, int first, int context, float cap) {
  const float inverse = 1 / cap;
  for (int i = first; i < context; i += APUS_LANES) vf_store(scores + i, vf_capped(vf_load(scores + i) * inverse, cap));
}

/// The largest of the scores from `begin` to `context`. Those beside them on the first and last page become -infinity.
APUS_INLINE float attention_largest(float *scores, int begin, int context) {
  const int padded = (context + APUS_PAGE_TOKENS - 1) / APUS_PAGE_TOKENS * APUS_PAGE_TOKENS;
  const int first = begin / APUS_PAGE_TOKENS * APUS_PAGE_TOKENS;
  for (int i = first; i < begin; i++) scores[i] = -INFINITY;
  for (int i = context; i < padded; i++) scores[i] = -INFINITY;
  vf most[ATTENTION_PAGE_VECTORS];
  for (int j = 0; j < ATTENTION_PAGE_VECTORS; j++) most[j] = vf_load(scores + first + j * APUS_LANES);
  for (int i = first + APUS_PAGE_TOKENS; i < padded; i += APUS_PAGE_TOKENS)
    for (int j = 0; j < ATTENTION_PAGE_VECTORS; j++)
      most[j] = attention_larger(vf_load(scores + i + j * APUS_LANES), most[j]);
  for (int j = 1; j < ATTENTION_PAGE_VECTORS; j++) most[0] = attention_larger(most[0], most[j]);
  // As integers that order as the numbers do.
  vi bits = (vi)most[0];
  int32_t largest = __builtin_reduce_max(bits ^ (bits >> 31 & 0x7fffffff));
  largest ^= largest >> 31 & 0x7fffffff;
  float score;
  memcpy(&score, &largest, sizeof score);
  return score;
}

/// Stores the low halves of the lanes of a, then of b.
APUS_INLINE void attention_store_pairs(pair *to, vf a, vf b) {
  typedef uint16_t halves __attribute__((vector_size(APUS_LANES * 4)));
#if APUS_LANES == 16
  const halves low = __builtin_shufflevector((halves)a, (halves)b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28,
                                             30, 32, 34, 36, 38, 40, 42, 44, 46, 48, 50, 52, 54, 56, 58, 60, 62);
#elif APUS_LANES == 8
  const halves low = __builtin_shufflevector((halves)a, (halves)b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28,
                                             30);
#else
  const halves low = __builtin_shufflevector((halves)a, (halves)b, 0, 2, 4, 6, 8, 10, 12, 14);
#endif
  memcpy(to, &low, sizeof low);
}

/// Sum of 16 lanes by position as a tree, the same for every vector width.
APUS_INLINE float attention_sum_lanes(const vf sum[ATTENTION_PAGE_VECTORS]) {
  float lanes[APUS_PAGE_TOKENS];
  memcpy(lanes, sum, sizeof lanes);
  for (int half = APUS_PAGE_TOKENS / 2; half > 0; half /= 2)
    for (int i = 0; i < half; i++) lanes[i] += lanes[i + half];
  return lanes[0];
}

/// A block's scores become exponentials, added to `sum`, and in their place pairs of integers: exponentials times the
/// scales of their values. Returns what one unit of the integers is worth. Positions outside begin ..< seen count for
/// nothing.
APUS_INLINE float attention_weigh_block(float *scores, pair *weights,
                                        const float *const scales[ATTENTION_BLOCK_PAGES], float maximum, int begin,
                                        int seen, int masked, vf sum[ATTENTION_PAGE_VECTORS]) {
  enum { VECTORS = ATTENTION_BLOCK / APUS_LANES };
  vf weight[VECTORS], most = vf_zero();
  for (int j = 0; j < VECTORS; j++) {
    const int page = j / ATTENTION_PAGE_VECTORS, lane = j % ATTENTION_PAGE_VECTORS * APUS_LANES;
    weight[j] = vf_zero();
    if (masked && (j * APUS_LANES >= seen || (j + 1) * APUS_LANES <= begin)) continue;
    vf e = attention_exp2(vf_load(scores + j * APUS_LANES) - maximum);
    weight[j] = e * vf_load(scales[page] + lane);
    if (masked) {
      const vi in = attention_lanes_in(j * APUS_LANES, begin, seen);
      e = (vf)((vi)e & in), weight[j] = (vf)((vi)weight[j] & in);
    }
    sum[j % ATTENTION_PAGE_VECTORS] += e;
    most = attention_larger(weight[j], most);
  }
  // Of numbers that are not negative the order is that of their bits.
  const int32_t bits = __builtin_reduce_max((vi)most);
  float largest;
  memcpy(&largest, &bits, sizeof largest);
  const vf inverse = vf_set(attention_inverse(largest, ATTENTION_WEIGHT_LIMIT)), shift = vf_set(12582912.0f);
  for (int j = 0; j < VECTORS; j += 2)
    attention_store_pairs(weights + j * APUS_LANES / 2, vf_fma(weight[j], inverse, shift),
                          vf_fma(weight[j + 1], inverse, shift));
  return attention_unit(largest, ATTENTION_WEIGHT_LIMIT);
}

/// Scores become exponentials of their distance to the maximum; returns their sum.
static float attention_weigh_floats(float *scores, int begin, int context, float maximum) {
  vf sum[ATTENTION_PAGE_VECTORS] = {0};
  for (int i = begin / APUS_PAGE_TOKENS * APUS_PAGE_TOKENS; i < context; i += APUS_PAGE_TOKENS)
    for (int j = 0; j < ATTENTION_PAGE_VECTORS; j++) {
      float *s = scores + i + j * APUS_LANES;
      vf e = attention_exp2(vf_load(s) - maximum);
      if (context - i < APUS_PAGE_TOKENS || i < begin)
        e = (vf)((vi)e & attention_lanes_in(i + j * APUS_LANES, begin, context));
      vf_store(s, e);
      sum[j] += e;
    }
  return attention_sum_lanes(sum);
}
