#include "CBlocks.h"

#include <string.h>

// Vectors of sixteen values in the compiler's own notation: it splits them as the processor needs it.
typedef uint8_t bytes16 __attribute__((vector_size(16)));
typedef int8_t signed16 __attribute__((vector_size(16)));
typedef float floats16 __attribute__((vector_size(64)));

#define ALWAYS static inline __attribute__((always_inline))

ALWAYS bytes16 load16(const uint8_t *p) {
  bytes16 v;
  memcpy(&v, p, sizeof v);
  return v;
}

/// Values less a constant, as signed bytes.
ALWAYS signed16 minus(bytes16 q, uint8_t offset) { return (signed16)(q - offset); }

/// y[i] = q[i] * scale.
ALWAYS void store(float *y, signed16 q, float scale) {
  floats16 v = __builtin_convertvector(q, floats16) * scale;
  memcpy(y, &v, sizeof v);
}

/// y[i] = q[i] * scale + offset, rounded twice.
ALWAYS void store_plus(float *y, bytes16 q, float scale, float offset) {
  floats16 v = __builtin_convertvector((signed16)q, floats16) * scale + offset;
  memcpy(y, &v, sizeof v);
}

/// A little-endian IEEE half, widened exactly. By hand because not every processor can, and on others it is a call of a
/// library. The exponent is rebased by one multiplication, which also normalises subnormals; infinities and NaNs then get
/// the exponent of fp32.
ALWAYS float half_at(const uint8_t *p) {
  uint32_t bits = (uint32_t)p[0] | (uint32_t)p[1] << 8, magnitude = (bits & 0x7FFF) << 13;
  float rebased;
  memcpy(&rebased, &magnitude, 4);
  rebased *= 0x1p112f;
  uint32_t word;
  memcpy(&word, &rebased, 4);
  word |= (magnitude >= 0x7C00u << 13 ? 0x7F800000u : 0) | (bits & 0x8000) << 16;
  memcpy(&rebased, &word, 4);
  return rebased;
}

/// Sixteen bits as sixteen bytes of 0 or 16.
ALWAYS bytes16 fifth_bits(const uint8_t *p) {
  const bytes16 bit = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
  bytes16 both = {p[0], p[0], p[0], p[0], p[0], p[0], p[0], p[0], p[1], p[1], p[1], p[1], p[1], p[1], p[1], p[1]};
  return (bytes16)((both & bit) == bit) & 16;
}

typedef struct {
  float scale, minimum;
} sub_scale;

/// The j-th of eight pairs that Q4_K and Q5_K pack in 6 bits each into 12 bytes behind `d` and `dmin`, times these.
ALWAYS sub_scale scale_and_minimum(const uint8_t *block, int j) {
  const uint8_t *s = block + 4;
  int scale = j < 4 ? s[j] & 63 : (s[j + 4] & 15) | s[j - 4] >> 6 << 4;
  int minimum = j < 4 ? s[j + 4] & 63 : s[j + 4] >> 4 | s[j] >> 6 << 4;
  sub_scale pair = {half_at(block) * (float)scale, half_at(block + 2) * (float)minimum};
  return pair;
}

/// The sixteen steps of the IQ4 types, closer together near zero, that four bits name.
ALWAYS signed16 uneven_steps(bytes16 q) {
  static const int8_t steps[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
  signed16 v;
  for (int i = 0; i < 16; i++) v[i] = steps[q[i] & 15];
  return v;
}

#define DECODE decode_plain
#define TARGET
#include "decode_body.h"
#undef DECODE
#undef TARGET

#if defined(__x86_64__)
#define DECODE decode_avx2
#define TARGET __attribute__((target("avx2")))
#include "decode_body.h"
#undef DECODE
#undef TARGET

#define DECODE decode_avx512
#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq")))
#include "decode_body.h"
#undef DECODE
#undef TARGET
#endif

void apus_decode_blocks(apus_block kind, const void *blocks, long count, float *y) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
    return decode_avx512(kind, blocks, count, y);
  if (__builtin_cpu_supports("avx2")) return decode_avx2(kind, blocks, count, y);
#endif
  decode_plain(kind, blocks, count, y);
}

void apus_decode_blocks_plain(apus_block kind, const void *blocks, long count, float *y) {
  decode_plain(kind, blocks, count, y);
}
