#include "apus_sha1.h"

#define ALWAYS static inline __attribute__((always_inline))

ALWAYS uint32_t rotated(uint32_t x, int bits) { return x << bits | x >> (32 - bits); }

ALWAYS uint32_t big_endian(const uint8_t *p) {
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/// Names are the standard's.
void apus_sha1_blocks(uint32_t state[5], const void *blocks, long count) {
  const uint8_t *block = blocks;
  for (; count > 0; count--, block += 64) {
    uint32_t w[80];
    for (int t = 0; t < 16; t++) w[t] = big_endian(block + 4 * t);
    for (int t = 16; t < 80; t++) w[t] = rotated(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
    for (int t = 0; t < 80; t++) {
      uint32_t f = t < 20 ? (b & c) ^ (~b & d) : t < 40 ? b ^ c ^ d : t < 60 ? (b & c) ^ (b & d) ^ (c & d) : b ^ c ^ d;
      uint32_t k = t < 20 ? 0x5a827999 : t < 40 ? 0x6ed9eba1 : t < 60 ? 0x8f1bbcdc : 0xca62c1d6;
      uint32_t sum = rotated(a, 5) + f + e + k + w[t];
      e = d, d = c, c = rotated(b, 30), b = a, a = sum;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d, state[4] += e;
  }
}
