// The loops behind apus_peak.h. A chain's steps wait for each other; there are more chains than steps in flight, and no
// more than registers.
#if APUS_LANES == 16 || APUS_NEON
enum { peak_chains = 24 };
#else
enum { peak_chains = 12 };
#endif

enum { read_chains = 8 };

/// Sum of all lanes of all chains.
APUS_INLINE float peak_sum(const vf *chains, int count) {
  vf sum = chains[0];
  for (int i = 1; i < count; i++) sum += chains[i];
  return vf_sum(sum);
}

static float peak_multiply_add(long rounds, float start) {
  vf acc[peak_chains];
#pragma clang loop unroll(full)
  for (int i = 0; i < peak_chains; i++) acc[i] = vf_set(start + (float)i);
  // The chain runs through the multiplication too, so that it cannot be done once and for all. Values tend to 1.
  const vf factor = vf_set(start), rest = vf_set(1.0f - start);
  for (long round = 0; round < rounds; round++)
#pragma clang loop unroll(full)
    for (int i = 0; i < peak_chains; i++) acc[i] = vf_fma(acc[i], factor, rest);
  return peak_sum(acc, peak_chains);
}

/// One step of a chain of pair products, of the kind that weights of 4 and 8 bits go through.
#if APUS_BF16_PAIRS && APUS_NEON
#define APUS_PAIR_INSTRUCTION "bfdot"
typedef float32x4_t pair_chain;
APUS_INLINE pair_chain pair_step(pair_chain acc, vu factor, vu rest) {
  return vbfdotq_f32(acc, (bfloat16x8_t)factor, (bfloat16x8_t)rest);
}
#elif APUS_VNNI
#define APUS_PAIR_INSTRUCTION "vpdpwssd"
typedef vi pair_chain;
APUS_INLINE pair_chain pair_step(pair_chain acc, vu factor, vu rest) { return vnni_dot(acc, factor, rest); }
#elif APUS_AVX512
#define APUS_PAIR_INSTRUCTION "vpmaddwd and vpaddd"
typedef __m512i pair_chain;
APUS_INLINE pair_chain pair_step(pair_chain acc, vu factor, vu rest) {
  return _mm512_add_epi32(_mm512_madd_epi16(acc, (__m512i)factor), (__m512i)rest);
}
#elif APUS_AVX2
#define APUS_PAIR_INSTRUCTION "vpmaddwd and vpaddd"
typedef __m256i pair_chain;
APUS_INLINE pair_chain pair_step(pair_chain acc, vu factor, vu rest) {
  return _mm256_add_epi32(_mm256_madd_epi16(acc, (__m256i)factor), (__m256i)rest);
}
#elif APUS_NEON
#define APUS_PAIR_INSTRUCTION "smlal"
typedef int16x8_t pair_chain;
APUS_INLINE pair_chain pair_step(pair_chain acc, vu factor, vu rest) {
  int32x4_t sum = vmlal_s16((int32x4_t)rest, vget_low_s16(acc), vget_low_s16((int16x8_t)factor));
  return (int16x8_t)vmlal_high_s16(sum, acc, (int16x8_t)factor);
}
#else
#define APUS_PAIR_INSTRUCTION "plain C"
typedef vu pair_chain;
APUS_INLINE pair_chain pair_step(pair_chain acc, vu factor, vu rest) {
  vi low = (vi)(acc << 16) >> 16, high = (vi)acc >> 16;
  return (vu)low * (factor & 0xFFFF) + (vu)high * (factor >> 16) + rest;
}
#endif

static float peak_pair_dot(long rounds, float start) {
  pair_chain acc[peak_chains];
  // Small positive numbers, as bf16 pairs and as integers: sums of products of bf16 grow by 2 a round at most.
  const vu bits = (vu)vf_set(start) & 0x3FFF0000u;
  const vu factor = bits | bits >> 16, rest = factor ^ 0x00010001u;
#pragma clang loop unroll(full)
  for (int i = 0; i < peak_chains; i++) {
    vu first = bits + (uint32_t)i;
    memcpy(&acc[i], &first, sizeof first);
  }
  for (long round = 0; round < rounds; round++)
#pragma clang loop unroll(full)
    for (int i = 0; i < peak_chains; i++) acc[i] = pair_step(acc[i], factor, rest);
  vf sums[peak_chains];
  for (int i = 0; i < peak_chains; i++) {
    vu last;
    memcpy(&last, &acc[i], sizeof last);
    // Any bits will do; these are a finite number.
    sums[i] = (vf)((last & 0x007FFFFFu) | 0x3F800000u);
  }
  return peak_sum(sums, peak_chains);
}

static float peak_read(const float *p, long count) {
  vf acc[read_chains];
#pragma clang loop unroll(full)
  for (int i = 0; i < read_chains; i++) acc[i] = vf_zero();
  long at = 0;
  for (; at + read_chains * APUS_LANES <= count; at += read_chains * APUS_LANES)
#pragma clang loop unroll(full)
    for (int i = 0; i < read_chains; i++) acc[i] += vf_load(p + at + i * APUS_LANES);
  for (; at < count; at += APUS_LANES) acc[0] += load_part(p + at, count - at);
  return peak_sum(acc, read_chains);
}

// A pair step is two multiplications and two additions in each 32-bit lane.
#define APUS_PEAK_KERNELS                                                                                    \
  {.multiply_add = peak_multiply_add, .pair_dot = peak_pair_dot, .read = peak_read,                          \
   .pair_dot_instruction = APUS_PAIR_INSTRUCTION,                                                             \
   .multiply_add_operations = 2 * peak_chains * APUS_LANES, .pair_dot_operations = 4 * peak_chains * APUS_LANES}
