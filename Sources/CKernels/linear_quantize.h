// Values as codes of 4 and 8 bits: NF4 as bitsandbytes gives it, and integers.

// A value moves up one code where it exceeds the fp32 midpoint of two table values, as in bitsandbytes on the CPU. The
// decimals in its CUDA source round to other floats in three places; files must not depend on where they were made.
static const float nf4_thresholds[15] = {
    -0.8480963706970215f, -0.6106328964233398f, -0.4599952697753906f, -0.33967941999435425f, -0.23460739850997925f,
    -0.13791173696517944f, -0.045525018125772476f, 0.03979014977812767f, 0.120255246758461f, 0.2035212516784668f,
    0.2920137643814087f, 0.3893125355243683f, 0.5016634464263916f, 0.6427869200706482f, 0.8614784479141235f};

/// One block of at most 64 values; inlined with a constant count for whole blocks, whose copies are then single loads.
APUS_INLINE float quantize_nf4_block(const float *values, int count, uint8_t *codes) {
  typedef uint8_t bytes __attribute__((vector_size(APUS_LANES)));
  vf most = vf_zero();
  for (int i = 0; i < count; i += APUS_LANES)
    most = vf_max(most, (vf)((vu)load_part(values + i, count - i) & 0x7FFFFFFFu));
  float largest = vf_largest(most), inverse = largest > 0 ? 1.0f / largest : 0.0f;
  for (int i = 0; i < count; i += APUS_LANES) {
    vf v = load_part(values + i, count - i) * inverse;
    vi code = {0};
    for (int t = 0; t < 15; t++) code -= v > nf4_thresholds[t];  // a true comparison is -1
    bytes b = __builtin_convertvector(code, bytes);
    memcpy(codes + i, &b, (size_t)(count - i < APUS_LANES ? count - i : APUS_LANES));
  }
  return largest;
}

static void linear_quantize_nf4(const float *values, long count, uint8_t *codes, float *scales) {
  long begin = 0;
  for (; begin + 64 <= count; begin += 64) scales[begin / 64] = quantize_nf4_block(values + begin, 64, codes + begin);
  if (begin < count)
    scales[begin / 64] = quantize_nf4_block(values + begin, (int)(count - begin), codes + begin);
}

/// A group of at most 64 values as integers from -127 to 127 in units of what is returned; NaN where one is not finite.
///
/// The grids of Q4_0, Q5_0 and Q8_0 have 8, 16 and 127 steps to a block's largest value. Values that lie on one of them are
/// kept exactly, in whatever file they came.
APUS_INLINE float quantize_int8_group(const float *values, int count, int8_t *out) {
  vf padded[pair_block / APUS_LANES] = {0}, poison = vf_zero();
  memcpy(padded, values, sizeof(float) * (size_t)count);
  const int vectors = (count + APUS_LANES - 1) / APUS_LANES;
  vf most = vf_zero();
  for (int i = 0; i < vectors; i++) {
    most = vf_max(most, (vf)((vu)padded[i] & 0x7FFFFFFFu));
    poison += padded[i] * 0.0f;
  }
  const float largest = vf_largest(most), not_finite = vf_sum(poison);
  static const float grids[3] = {8, 16, int8_limit};
  for (int g = 0; g < 3; g++) {
    const float unit = largest / grids[g];
    // Below the range of normal numbers nothing is exact, and nothing is lost by zero.
    const vf divisor = vf_set(largest > 1e-30f ? unit : INFINITY);
    vi off = {0};
    vf nearest[pair_block / APUS_LANES];
    for (int i = 0; i < vectors; i++) {
      vf exact = padded[i] / divisor;
      nearest[i] = (exact + 12582912.0f) - 12582912.0f;
      off |= exact != nearest[i];
    }
    if (g < 2 && __builtin_reduce_or(off)) continue;
    for (int k = 0; k < count; k++) out[k] = (int8_t)nearest[k / APUS_LANES][k % APUS_LANES];
    return unit + not_finite;
  }
  return NAN;
}
