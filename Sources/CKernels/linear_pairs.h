// Products of 16-bit pairs: one instruction multiplies two inner steps and adds both to a 32-bit wide sum.
//
// A pair is two integers of a block in fixed point: a block of at most 64 inner steps has one fp32 scale on each side,
// the integers' sum is exact, and blocks are added in fp32 in ascending order. That is twice the rate of fp32
// multiply-adds where an instruction adds pairs of products (VNNI), and finer than bf16: an activation keeps 14 bits
// relative to the largest of its block, where bf16 keeps 8. With bf16 dot products a pair may be two bf16 numbers:
// of bf16 weights (APUS_BF16_DOT), or of every 16-bit and 4-bit format (APUS_BF16_PAIRS).
//
// Pair p of a block of 2 n steps joins its steps p and p + n: rows then become pairs without moving values between lanes,
// and the outputs of a panel that is turned join whole vectors. Pairs of bf16 numbers have no blocks: they join
// neighbours, which is the same rule for a block of two.
#if APUS_BF16_PAIRS
#define APUS_BF16_DOT 1
enum { pairs_are_bf16 = 1 };
#else
enum { pairs_are_bf16 = 0 };
#endif

// 64 products of the largest integers still fit 32 bits: 64 * 8191 * 4095 < 2^31.
enum { fixed_row_limit = 8191, fixed_weight_limit = 4095, int8_limit = 127, pair_block = 64 };

/// Two 16-bit values, the earlier step's in the low half. They are also read and written as 16-bit values.
typedef uint32_t __attribute__((may_alias)) pair;

/// Where step k lies among the 16-bit halves of its row's pairs, which join steps of blocks of `block`.
APUS_INLINE int pair_position(int k, int block) {
  int half = block / 2, within = k % block;
  return k - within + 2 * (within % half) + within / half;
}

#if APUS_VNNI
/// sum + a.low * b.low + a.high * b.high in each lane. As assembly: clang's machine combiner turns the intrinsic into
/// vpmaddwd and vpaddd, half the rate.
APUS_INLINE vi vnni_dot(vi sum, vu a, vu b) {
#if APUS_VNNI_VEX
  __asm__("%{vex%} vpdpwssd %2, %1, %0" : "+x"(sum) : "x"(a), "x"(b));
#else
  __asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
#endif
  return sum;
}
#endif

/// sum + a.low * b.low + a.high * b.high in each lane, of signed integers.
APUS_INLINE vi fixed_dot(vi sum, pair a, vu b) {
#if APUS_VNNI
  return vnni_dot(sum, a - (vu){0}, b);
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

#if APUS_BF16_DOT
/// sum + a.low * b.low + a.high * b.high in each lane, of bf16 numbers.
APUS_INLINE vf bf16_dot(vf sum, pair a, vu b) {
#if APUS_AVX512
  return (vf)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_set1_epi32((int)a), (__m512bh)b);
#elif APUS_NEON
  // The last operand may be one lane of a register; clang sees that of a float only.
  float factors;
  memcpy(&factors, &a, sizeof factors);
  return (vf)vbfdotq_f32((float32x4_t)sum, (bfloat16x8_t)b, (bfloat16x8_t)vdupq_n_f32(factors));
#else
  float low = float_from_bf16((uint16_t)a), high = float_from_bf16((uint16_t)(a >> 16));
  return vf_fma((vf)(b & 0xFFFF0000u), vf_set(high), vf_fma((vf)(b << 16), vf_set(low), sum));
#endif
}
#endif

/// One step of a sum of pairs, whose lanes hold integers or, with `bf16`, fp32 numbers.
APUS_INLINE vi pair_dot(vi sum, pair a, vu b, int bf16) {
#if APUS_BF16_DOT
  if (bf16) return (vi)bf16_dot((vf)sum, a, b);
#endif
  (void)bf16;
  return fixed_dot(sum, a, b);
}

APUS_INLINE vf pair_sum_value(vi sum, int bf16) { return bf16 ? (vf)sum : __builtin_convertvector(sum, vf); }

/// Each 16-bit half of a times that of b, of signed integers of which b counts in units of 2^-15, to the nearest.
APUS_INLINE vu pair_scale(vu a, vu b) {
#if APUS_AVX512
  return (vu)_mm512_mulhrs_epi16((__m512i)a, (__m512i)b);
#elif APUS_AVX2
  return (vu)_mm256_mulhrs_epi16((__m256i)a, (__m256i)b);
#elif APUS_NEON
  return (vu)vqrdmulhq_s16((int16x8_t)a, (int16x8_t)b);
#else
  vi low = (((vi)(a << 16) >> 16) * ((vi)(b << 16) >> 16) + 0x4000) >> 15;
  vi high = (((vi)a >> 16) * ((vi)b >> 16) + 0x4000) >> 15;
  return ((vu)low & 0xFFFFu) | (vu)high << 16;
#endif
}

/// The low halves of two vectors as pairs.
APUS_INLINE vu join_low_halves(vu low, vu high) { return (low & 0xFFFFu) | high << 16; }

/// The integers nearest to x (|x| < 2^15) in the low halves of the lanes; the upper halves are of no meaning.
APUS_INLINE vu round_to_low_half(vf x) {
  return (vu)(x + 12582912.0f);  // 1.5 * 2^23: the sum's last bit weighs one, and its own low half is zero
}

/// What turns values of at most `largest` into integers of at most `limit`.
APUS_INLINE float fixed_inverse(float largest, int limit) {
  // Below it the unit would leave the range of normal numbers.
  return largest > 1e-30f ? (float)limit / largest : 0;
}

/// A whole block of `vectors` (even) vectors as pairs; see fixed_block.
APUS_INLINE float fixed_vectors(const float *x, int vectors, int limit, pair *out) {
  vf values[pair_block / APUS_LANES];
  // Magnitudes order as their bits do; what is not finite has the largest.
  vi most = {0};
#pragma clang loop unroll(full)
  for (int i = 0; i < vectors; i++) {
    values[i] = vf_load(x + i * APUS_LANES);
    most = __builtin_elementwise_max(most, (vi)values[i] & 0x7FFFFFFF);
  }
  int32_t bits = __builtin_reduce_max(most);
  float largest;
  memcpy(&largest, &bits, sizeof largest);
  float inverse = fixed_inverse(largest, limit);
#pragma clang loop unroll(full)
  for (int i = 0; i < vectors / 2; i++) {
    vu pairs = join_low_halves(round_to_low_half(values[i] * inverse),
                               round_to_low_half(values[i + vectors / 2] * inverse));
    memcpy(out + i * APUS_LANES, &pairs, sizeof pairs);
  }
  return bits < 0x7F800000 ? largest * (1.0f / (float)limit) : NAN;
}

/// Writes a block of `block` steps, of which `count` are there and the others zero, as pairs of integers of at most
/// `limit`, and returns what one unit is worth. A value that is not finite makes the unit NaN, so that it shows in the
/// product.
APUS_INLINE float fixed_block(const float *x, int count, int block, int limit, pair *out) {
  float padded[pair_block];
  if (count < block) {
    memset(padded, 0, sizeof padded);
    memcpy(padded, x, sizeof(float) * (size_t)count);
    x = padded;
  }
  if (block == pair_block) return fixed_vectors(x, pair_block / APUS_LANES, limit, out);
  if (block == pair_block / 2) return fixed_vectors(x, pair_block / 2 / APUS_LANES, limit, out);
  float largest = 0, poison = 0;
  for (int k = 0; k < block; k++) {
    largest = fabsf(x[k]) > largest ? fabsf(x[k]) : largest;
    poison += x[k] * 0.0f;
  }
  float inverse = fixed_inverse(largest, limit);
  for (int k = 0; k < block; k++)
    ((uint16_t *)out)[pair_position(k, block)] = (uint16_t)round_to_low_half(vf_set(x[k] * inverse))[0];
  return largest * (1.0f / (float)limit) + poison;
}

/// Rows of x as pairs; see apus_linear.h.
static void linear_round_rows(apus_row_format format, const float *x, long ldx, int rows, int depth, int block,
                              uint16_t *out, long ld, float *scales, long scale_ld) {
  for (int i = 0; i < rows; i++, x += ldx, out += ld, scales += scale_ld) {
    if (format == APUS_ROWS_FIXED) {
      for (int k = 0; k < depth; k += block)
        scales[k / block] =
            fixed_block(x + k, depth - k < block ? depth - k : block, block, fixed_row_limit, (pair *)(out + k));
      continue;
    }
    // Written without a branch, so that the compiler makes vectors of it. Finite values only.
    for (int k = 0; k < depth; k++) {
      uint32_t bits;
      memcpy(&bits, x + k, 4);
      out[k] = (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
    }
    if (depth & 1) out[depth] = 0;
  }
}
