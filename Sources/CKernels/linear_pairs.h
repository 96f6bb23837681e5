// Products of 16-bit pairs: one instruction multiplies two consecutive inner steps and adds both to an fp32-wide sum.
//
// With bf16 dot products (APUS_BF16_PAIRS) a pair is two bf16 numbers. Elsewhere it is two integers of a block in fixed
// point: a block of at most 64 inner steps has one fp32 scale on each side, the integers' sum is exact, and blocks are
// added in fp32 in ascending order. That is twice the rate of fp32 multiply-adds on AVX2 and AVX-512, and finer than
// bf16: an activation keeps 14 bits relative to the largest of its block, where bf16 keeps 8.
#if APUS_BF16_PAIRS
typedef vf pair_sum;
enum { blocks_have_row_scales = 0 };
#else
typedef vi pair_sum;
enum { blocks_have_row_scales = 1 };
#endif

// 64 products of the largest integers still fit 32 bits: 64 * 8191 * 4095 < 2^31.
enum { fixed_row_limit = 8191, fixed_weight_limit = 4095, pair_block = 64 };

/// Two 16-bit values of consecutive inner steps, the earlier one in the low half. They are written as 16-bit values.
typedef uint32_t __attribute__((may_alias)) pair;

/// sum + a.low * b.low + a.high * b.high in each lane.
APUS_INLINE pair_sum pair_dot(pair_sum sum, pair a, vu b) {
#if APUS_BF16_PAIRS && APUS_AVX512
  return (vf)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_set1_epi32((int)a), (__m512bh)b);
#elif APUS_BF16_PAIRS && APUS_NEON
  // The last operand may be one lane of a register; clang sees that of a float only.
  float factors;
  memcpy(&factors, &a, sizeof factors);
  return (vf)vbfdotq_f32((float32x4_t)sum, (bfloat16x8_t)b, (bfloat16x8_t)vdupq_n_f32(factors));
#elif APUS_BF16_PAIRS
  float low = float_from_bf16((uint16_t)a), high = float_from_bf16((uint16_t)(a >> 16));
  return vf_fma((vf)(b & 0xFFFF0000u), vf_set(high), vf_fma((vf)(b << 16), vf_set(low), sum));
#elif APUS_AVX512 || APUS_AVX2
#if APUS_AVX512
  sum += (vi)_mm512_madd_epi16(_mm512_set1_epi32((int)a), (__m512i)b);
#else
  sum += (vi)_mm256_madd_epi16(_mm256_set1_epi32((int)a), (__m256i)b);
#endif
  // Integer sums may be reordered, and clang does it: it forms all products first and runs out of registers.
  __asm__("" : "+v"(sum));
  return sum;
#elif APUS_NEON
  int16x4_t low = vmovn_s32((int32x4_t)b), high = vshrn_n_s32((int32x4_t)b, 16);
  sum = (vi)vmlal_n_s16((int32x4_t)sum, low, (int16_t)a);
  return (vi)vmlal_n_s16((int32x4_t)sum, high, (int16_t)(a >> 16));
#else
  return sum + ((vi)(b << 16) >> 16) * (int32_t)(int16_t)a + ((vi)b >> 16) * (int32_t)(int16_t)(a >> 16);
#endif
}

APUS_INLINE vf pair_sum_value(pair_sum sum) {
#if APUS_BF16_PAIRS
  return sum;
#else
  return __builtin_convertvector(sum, vf);
#endif
}

/// The integers nearest to x (|x| < 2^15) in the low halves of the lanes; the upper halves are of no meaning.
APUS_INLINE vu round_to_low_half(vf x) {
  return (vu)(x + 12582912.0f);  // 1.5 * 2^23: the sum's last bit weighs one, and its own low half is zero
}

APUS_INLINE void store_low_halves(uint16_t *to, vu x, long count) {
  typedef uint16_t halves __attribute__((vector_size(APUS_LANES * 2)));
  halves h = __builtin_convertvector(x, halves);
  memcpy(to, &h, sizeof(uint16_t) * (size_t)count);
}

/// Writes count values as integers of at most `limit` and returns what one unit is worth. A value that is not finite
/// makes the unit NaN, so that it shows in the product.
APUS_INLINE float fixed_block(const float *x, long count, int limit, uint16_t *out) {
  const long whole = count / APUS_LANES * APUS_LANES;
  vf most = vf_zero(), poison = vf_zero(), rest = load_part(x + whole, count - whole);
  for (long i = 0; i < whole; i += APUS_LANES) {
    vf v = vf_load(x + i);
    most = vf_max(most, (vf)((vu)v & 0x7FFFFFFFu));
    poison += v * 0.0f;
  }
  most = vf_max(most, (vf)((vu)rest & 0x7FFFFFFFu));
  poison += rest * 0.0f;
  float largest = vf_largest(most);
  // Below it the unit would leave the range of normal numbers.
  float inverse = largest > 1e-30f ? (float)limit / largest : 0;
  for (long i = 0; i < whole; i += APUS_LANES)
    store_low_halves(out + i, round_to_low_half(vf_load(x + i) * inverse), APUS_LANES);
  if (whole < count) store_low_halves(out + whole, round_to_low_half(rest * inverse), count - whole);
  return largest * (1.0f / (float)limit) + vf_sum(poison);
}

/// Rows of x as pairs; see apus_linear.h.
static void linear_round_rows(const float *x, long ldx, int rows, int depth, int block, uint16_t *out, long ld,
                              float *scales, long scale_ld) {
  for (int i = 0; i < rows; i++, x += ldx, out += ld, scales += scale_ld) {
#if APUS_BF16_PAIRS
    // Written without a branch, so that the compiler makes vectors of it. Finite values only.
    for (int k = 0; k < depth; k++) {
      uint32_t bits;
      memcpy(&bits, x + k, 4);
      out[k] = (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
    }
#else
    for (int k = 0; k < depth; k += block)
      scales[k / block] = fixed_block(x + k, depth - k < block ? depth - k : block, fixed_row_limit, out + k);
#endif
    if (depth & 1) out[depth] = 0;
  }
  (void)block;
}
