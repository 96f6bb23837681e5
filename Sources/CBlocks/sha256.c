#include "apus_sha256.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#if defined(__linux__)
#include <sys/auxv.h>
#endif
#endif

/// FIPS 180-4, 4.2.2: the fractional parts of the cube roots of the first 64 primes.
static const uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

#define ALWAYS static inline __attribute__((always_inline))

ALWAYS uint32_t rotated(uint32_t x, int bits) { return x >> bits | x << (32 - bits); }

ALWAYS uint32_t big_endian(const uint8_t *p) {
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/// The 64 words that the rounds of a block take.
ALWAYS void schedule(uint32_t *w, const uint8_t *block) {
  for (int t = 0; t < 16; t++) w[t] = big_endian(block + 4 * t);
  for (int t = 16; t < 64; t++) {
    uint32_t far = w[t - 15], near = w[t - 2];
    w[t] = w[t - 16] + w[t - 7] + (rotated(far, 7) ^ rotated(far, 18) ^ far >> 3) +
           (rotated(near, 17) ^ rotated(near, 19) ^ near >> 10);
  }
}

/// Names are the standard's.
void apus_sha256_blocks_plain(uint32_t state[8], const void *blocks, long count) {
  const uint8_t *block = blocks;
  for (; count > 0; count--, block += 64) {
    uint32_t w[64];
    schedule(w, block);
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (int t = 0; t < 64; t++) {
      uint32_t t1 = h + (rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25)) + ((e & f) ^ (~e & g)) + constants[t] + w[t];
      uint32_t t2 = (rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
      h = g, g = f, f = e, e = d + t1;
      d = c, c = b, b = a, a = t1 + t2;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d;
    state[4] += e, state[5] += f, state[6] += g, state[7] += h;
  }
}

// The instructions take four words of the schedule at a time: w holds the latest sixteen of them.
#if defined(__x86_64__)
__attribute__((target("sha,sse4.1,ssse3"))) static void blocks_accelerated(
    uint32_t *state, const uint8_t *block, long count) {
  const __m128i byte_order = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
  // The eight words as the instructions want them: a, b, e, f and c, d, g, h, from the highest lane down.
  __m128i cdab = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)state), 0xB1);
  __m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(state + 4)), 0x1B);
  __m128i abef = _mm_alignr_epi8(cdab, efgh, 8), cdgh = _mm_blend_epi16(efgh, cdab, 0xF0);
  for (; count > 0; count--, block += 64) {
    const __m128i abef_before = abef, cdgh_before = cdgh;
    __m128i w[4];
    for (int i = 0; i < 4; i++)
      w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(block + 16 * i)), byte_order);
#pragma unroll
    for (int t = 0; t < 16; t++) {
      __m128i *now = &w[t % 4], next = w[(t + 1) % 4], after = w[(t + 2) % 4], last = w[(t + 3) % 4];
      if (t >= 4)
        *now = _mm_sha256msg2_epu32(
            _mm_add_epi32(_mm_sha256msg1_epu32(*now, next), _mm_alignr_epi8(last, after, 4)), last);
      __m128i sum = _mm_add_epi32(*now, _mm_loadu_si128((const __m128i *)(constants + 4 * t)));
      cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
      abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0E));
    }
    abef = _mm_add_epi32(abef, abef_before);
    cdgh = _mm_add_epi32(cdgh, cdgh_before);
  }
  __m128i feba = _mm_shuffle_epi32(abef, 0x1B), dchg = _mm_shuffle_epi32(cdgh, 0xB1);
  _mm_storeu_si128((__m128i *)state, _mm_blend_epi16(feba, dchg, 0xF0));
  _mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}
#elif defined(__aarch64__)
__attribute__((target("sha2"))) static void blocks_accelerated(uint32_t *state, const uint8_t *block, long count) {
  uint32x4_t abcd = vld1q_u32(state), efgh = vld1q_u32(state + 4);
  for (; count > 0; count--, block += 64) {
    const uint32x4_t abcd_before = abcd, efgh_before = efgh;
    uint32x4_t w[4];
    for (int i = 0; i < 4; i++) w[i] = vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(block + 16 * i)));
#pragma unroll
    for (int t = 0; t < 16; t++) {
      uint32x4_t *now = &w[t % 4], next = w[(t + 1) % 4], after = w[(t + 2) % 4], last = w[(t + 3) % 4];
      if (t >= 4) *now = vsha256su1q_u32(vsha256su0q_u32(*now, next), after, last);
      const uint32x4_t sum = vaddq_u32(*now, vld1q_u32(constants + 4 * t)), abcd_now = abcd;
      abcd = vsha256hq_u32(abcd, efgh, sum);
      efgh = vsha256h2q_u32(efgh, abcd_now, sum);
    }
    abcd = vaddq_u32(abcd, abcd_before);
    efgh = vaddq_u32(efgh, efgh_before);
  }
  vst1q_u32(state, abcd);
  vst1q_u32(state + 4, efgh);
}
#endif

static int has_instructions(void) {
#if defined(__x86_64__)
  // __builtin_cpu_supports("sha") would compile, but the library behind it is the system's, and before GCC 11 that does
  // not know the feature.
  unsigned a, b, c, d;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 29 & 1) && __builtin_cpu_supports("sse4.1");
#elif defined(__aarch64__) && defined(__linux__)
  const unsigned long hwcap_sha2 = 1ul << 6;
  return (getauxval(AT_HWCAP) & hwcap_sha2) != 0;
#elif defined(__aarch64__) && defined(__APPLE__)
  return 1;
#else
  return 0;
#endif
}

static int is_accelerated(void) {
  // Asked once, because a virtual machine traps cpuid. Threads that ask at the same time get the same answer.
  static _Atomic int known = -1;
  if (known < 0) known = has_instructions();
  return known;
}

void apus_sha256_blocks(uint32_t state[8], const void *blocks, long count) {
#if defined(__x86_64__) || defined(__aarch64__)
  if (is_accelerated()) return blocks_accelerated(state, blocks, count);
#endif
  apus_sha256_blocks_plain(state, blocks, count);
}
