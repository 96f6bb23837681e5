// Rows kept in 16 bits; see apus_layer.h. Plain loops: compilers make vectors of them, and the bits are those of the loops.

/// The largest magnitude as bits: for numbers that are not negative, integers order as the numbers do, and maxima of
/// integers are the same in any order.
APUS_INLINE float largest_magnitude(const float *x, long n) {
  uint32_t largest = 0;
  for (long i = 0; i < n; i++) {
    uint32_t bits;
    memcpy(&bits, x + i, sizeof bits);
    bits &= 0x7fffffffu;
    largest = bits > largest ? bits : largest;
  }
  float magnitude;
  memcpy(&magnitude, &largest, sizeof magnitude);
  return magnitude;
}

static void layer_shorten(const float *x, long n, int16_t *values, float *scales) {
  for (long begin = 0; begin < n; begin += APUS_SHORT_BLOCK) {
    long count = n - begin < APUS_SHORT_BLOCK ? n - begin : APUS_SHORT_BLOCK;
    float largest = largest_magnitude(x + begin, count);
    // Below this the inverse would overflow, and nothing of it would reach a gradient.
    float inverse = largest > 1e-30f ? 32767.0f / largest : 0.0f;
    scales[begin / APUS_SHORT_BLOCK] = largest / 32767.0f;
    // Adding 1.5 · 2²³ leaves no bits for the fraction: the nearest integer, ties to even, on every processor.
    const float whole = 12582912.0f;
    for (long i = begin; i < begin + count; i++) values[i] = (int16_t)(int32_t)(x[i] * inverse + whole - whole);
  }
}

static void layer_lengthen(const int16_t *values, const float *scales, long n, float *x) {
  for (long begin = 0; begin < n; begin += APUS_SHORT_BLOCK) {
    long end = n - begin < APUS_SHORT_BLOCK ? n : begin + APUS_SHORT_BLOCK;
    float scale = scales[begin / APUS_SHORT_BLOCK];
    for (long i = begin; i < end; i++) x[i] = (float)values[i] * scale;
  }
}
