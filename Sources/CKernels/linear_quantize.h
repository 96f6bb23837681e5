// Values as codes of 4 and 8 bits: NF4 as bitsandbytes gives it, and integers.

// A value moves up one code where it exceeds the fp32 midpoint of two table values, as in bitsandbytes on the CPU. The
// decimals in its CUDA source round to other floats in three places; files must not depend on where they were made.
static const float nf4_thresholds[15] = {
    -0.8480963706970215f, -0.6106328964233398f, -0.4599952697753906f, -0.33967941999435425f, -0.23460739850997925f,
    -0.13791173696517944f, -0.045525018125772476f, 0.03979014977812767f, 0.120255246758461f, 0.2035212516784668f,
    0.2920137643814087f, 0.3893125355243683f, 0.5016634464263916f, 0.6427869200706482f, 0.8614784479141235f};

#if APUS_LANES == 16 && APUS_AVX512
// -1 ... 1 in 32 cells, so narrow that each holds at most one threshold: one table says how many thresholds lie in the
// cells below, the other which one is left to compare with (2 where none is). A cell is the set of values that the same
// arithmetic puts into it, and that arithmetic is monotonic: the codes are exactly those of fifteen comparisons.
static const float nf4_cells = 15.9375f;
static const float nf4_cell_thresholds[32] = {
    2, 2, -0.8480963706970215f, 2, 2, 2, -0.6106328964233398f, 2, -0.4599952697753906f, 2, -0.33967941999435425f, 2,
    -0.23460739850997925f, -0.13791173696517944f, 2, -0.045525018125772476f, 0.03979014977812767f,
    0.120255246758461f, 2, 0.2035212516784668f, 0.2920137643814087f, 2, 0.3893125355243683f, 0.5016634464263916f, 2,
    2, 0.6427869200706482f, 2, 2, 0.8614784479141235f, 2, 2};
static const int32_t nf4_cell_codes[32] = {0, 0, 0, 1, 1,  1,  1,  2,  2,  3,  3,  4,  4,  5,  6,  6,
                                           7, 8, 9, 9, 10, 11, 11, 12, 13, 13, 13, 14, 14, 14, 15, 15};

/// The codes of values that are to lie in -1 ... 1; those outside, and NaN, get what comparisons would give them.
APUS_INLINE vi nf4_codes(vf v) {
  // The second operand is what the processor returns for NaN.
  __m512 x = _mm512_min_ps(_mm512_max_ps((__m512)v, _mm512_set1_ps(-1)), _mm512_set1_ps(1));
  __m512i cell = _mm512_cvttps_epi32((__m512)(((vf)x + 1) * nf4_cells));
  __m512 threshold = _mm512_permutex2var_ps(_mm512_loadu_ps(nf4_cell_thresholds), cell,
                                            _mm512_loadu_ps(nf4_cell_thresholds + 16));
  __m512i below = _mm512_permutex2var_epi32(_mm512_loadu_si512(nf4_cell_codes), cell,
                                            _mm512_loadu_si512(nf4_cell_codes + 16));
  __mmask16 above = _mm512_cmp_ps_mask(x, threshold, _CMP_GT_OQ);
  return (vi)_mm512_mask_add_epi32(below, above, below, _mm512_set1_epi32(1));
}
#elif APUS_LANES == 8 && APUS_AVX2
/// The codes by binary search: the thresholds of the third and fourth step are looked up.
APUS_INLINE vi nf4_codes(vf v) {
  const float *t = nf4_thresholds;
  const vf third = {t[1], t[5], t[9], t[13], 0, 0, 0, 0};
  const vf fourth = {t[0], t[2], t[4], t[6], t[8], t[10], t[12], t[14]};
  vi eight = v > t[7];
  vi four = v > (vf)_mm256_blendv_ps(_mm256_set1_ps(t[3]), _mm256_set1_ps(t[11]), (__m256)eight);
  vi code = (eight & 2) | (four & 1);
  vi two = v > (vf)_mm256_permutevar8x32_ps((__m256)third, (__m256i)code);
  code = code << 1 | (two & 1);
  vi one = v > (vf)_mm256_permutevar8x32_ps((__m256)fourth, (__m256i)code);
  return code << 1 | (one & 1);
}
#else
APUS_INLINE vi nf4_codes(vf v) {
  vi code = {0};
  for (int t = 0; t < 15; t++) code -= v > nf4_thresholds[t];  // a true comparison is -1
  return code;
}
#endif

/// One block of at most 64 values; inlined with a constant count for whole blocks, whose copies are then single loads.
APUS_INLINE float quantize_nf4_block(const float *values, int count, uint8_t *codes) {
  typedef uint8_t bytes __attribute__((vector_size(APUS_LANES)));
  vf most = vf_zero();
  for (int i = 0; i < count; i += APUS_LANES)
    most = vf_max(most, (vf)((vu)load_part(values + i, count - i) & 0x7FFFFFFFu));
  float largest = vf_largest(most), inverse = largest > 0 ? 1.0f / largest : 0.0f;
  for (int i = 0; i < count; i += APUS_LANES) {
    bytes b = __builtin_convertvector(nf4_codes(load_part(values + i, count - i) * inverse), bytes);
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
/// The grids of Q4_0, Q5_0 and Q8_0 have 8, 16 and 127 steps to a block's largest value, or 7 and 15 where the outermost step
/// is not taken. Values that lie on one of them are kept exactly, in whatever file they came.
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
  static const float grids[] = {8, 16, 7, 15, int8_limit};
  enum { count_of_grids = sizeof grids / sizeof *grids };
  for (int g = 0; g < count_of_grids; g++) {
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
    if (g + 1 < count_of_grids && __builtin_reduce_or(off)) continue;
    for (int k = 0; k < count; k++) out[k] = (int8_t)nearest[k / APUS_LANES][k % APUS_LANES];
    return unit + not_finite;
  }
  return NAN;
}
