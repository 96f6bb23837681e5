// The vector vocabulary of all kernels, written with clang's generic vectors so that one kernel source serves every
// instruction set. A file that includes it first defines
//   APUS_LANES       floats in one vector (4, 8 or 16)
//   APUS_FMA         1 where a fused multiply-add is one instruction (elsewhere multiply, then add)
//   APUS_AVX2, APUS_AVX512, APUS_NEON   1 where its intrinsics may be used; undefined elsewhere
// and compiles under the target attribute of its instruction set. Everything here is static: no symbol leaves a file.
#ifndef APUS_LANES
#error "define APUS_LANES before including vector.h"
#endif

#include <math.h>
#include <stdint.h>
#include <string.h>

#define APUS_INLINE static inline __attribute__((always_inline))

typedef float vf __attribute__((vector_size(APUS_LANES * 4)));
typedef int32_t vi __attribute__((vector_size(APUS_LANES * 4)));
typedef uint32_t vu __attribute__((vector_size(APUS_LANES * 4)));

APUS_INLINE vf vf_load(const float *p) { vf v; memcpy(&v, p, sizeof v); return v; }
APUS_INLINE void vf_store(float *p, vf v) { memcpy(p, &v, sizeof v); }

// An element's bits must not depend on where a thread's range ends: the tail runs the same vector code on a copy.
// Whole vectors go first: a copy of a size that is not known is a call.
APUS_INLINE vf load_part(const float *p, long count) {
  if (count >= APUS_LANES) return vf_load(p);
  vf v = {0};
  memcpy(&v, p, sizeof(float) * (size_t)count);
  return v;
}

APUS_INLINE void store_part(float *p, vf v, long count) {
  if (count >= APUS_LANES)
    vf_store(p, v);
  else
    memcpy(p, &v, sizeof(float) * (size_t)count);
}

/// x in every lane. Subtracting +0 keeps every x, so no instruction is left; adding it would turn -0 into +0.
APUS_INLINE vf vf_set(float x) { return x - (vf){0}; }
APUS_INLINE vf vf_zero(void) { return (vf){0}; }

/// a * b + c, fused where the instruction set fuses.
APUS_INLINE vf vf_fma(vf a, vf b, vf c) {
#if APUS_FMA
  return __builtin_elementwise_fma(a, b, c);
#else
  return a * b + c;
#endif
}

APUS_INLINE float f_fma(float a, float b, float c) {
#if APUS_FMA
  return __builtin_fmaf(a, b, c);
#else
  return a * b + c;
#endif
}

APUS_INLINE vf vf_max(vf a, vf b) { return __builtin_elementwise_max(a, b); }
APUS_INLINE vf vf_min(vf a, vf b) { return __builtin_elementwise_min(a, b); }

/// Sum of the lanes as a balanced tree: lane i with lane i + half, until one is left.
APUS_INLINE float vf_sum(vf v) {
  float lanes[APUS_LANES];
  memcpy(lanes, &v, sizeof v);
  for (int half = APUS_LANES / 2; half > 0; half /= 2)
    for (int i = 0; i < half; i++) lanes[i] += lanes[i + half];
  return lanes[0];
}

APUS_INLINE float vf_largest(vf v) {
  float lanes[APUS_LANES];
  memcpy(lanes, &v, sizeof v);
  for (int half = APUS_LANES / 2; half > 0; half /= 2)
    for (int i = 0; i < half; i++) lanes[i] = lanes[i] > lanes[i + half] ? lanes[i] : lanes[i + half];
  return lanes[0];
}

/// e^x to about 1 ulp on [-87, 88]; below it 0, above it infinity-free saturation. Same polynomial in every lane.
APUS_INLINE vf vf_exp(vf x) {
  const vf low = vf_set(-87.33654f), high = vf_set(88.02f);
  vi underflow = x < low;
  x = vf_min(vf_max(x, low), high);
  // 1.5 * 2^23 pushes the fraction out of the mantissa: round to nearest even without a conversion instruction.
  vf shifted = vf_fma(x, vf_set(1.44269504f), vf_set(12582912.0f));
  vf n = shifted - 12582912.0f;
  vf r = vf_fma(n, vf_set(-0.693359375f), x);
  r = vf_fma(n, vf_set(2.12194440e-4f), r);
  vf p = vf_set(1.9875691500e-4f);
  p = vf_fma(p, r, vf_set(1.3981999507e-3f));
  p = vf_fma(p, r, vf_set(8.3334519073e-3f));
  p = vf_fma(p, r, vf_set(4.1665795894e-2f));
  p = vf_fma(p, r, vf_set(1.6666665459e-1f));
  p = vf_fma(p, r, vf_set(5.0000001201e-1f));
  p = vf_fma(p, r * r, r) + 1.0f;
  vi exponent = ((vi)shifted - 0x4B400000) << 23;
  vi bits = ((vi)p + exponent) & ~underflow;
  return (vf)bits;
}

/// tanh x to about 2 ulp; NaN stays: an odd polynomial where the exponentials would cancel, their quotient beyond.
APUS_INLINE vf vf_tanh(vf x) {
  const vf square = x * x;
  vf p = vf_set(-5.70498872745e-3f);
  p = vf_fma(p, square, vf_set(2.06390887954e-2f));
  p = vf_fma(p, square, vf_set(-5.37397155531e-2f));
  p = vf_fma(p, square, vf_set(1.33314422036e-1f));
  p = vf_fma(p, square, vf_set(-3.33332819422e-1f));
  const vf small = vf_fma(p * square, x, x), large = 1.0f - 2.0f / (vf_exp(x + x) + 1.0f);
  const vi is_small = (x < 0.625f) & (x > -0.625f);
  const vi is_nan = x != x;
  return (vf)(((vi)small & is_small) | ((vi)large & ~is_small & ~is_nan) | ((vi)x & is_nan));
}

/// cap tanh x. What is not finite becomes NaN: it must not hide as a cap.
APUS_INLINE vf vf_capped(vf x, float cap) { return vf_tanh(x) * cap + x * 0.0f; }

APUS_INLINE float f_exp(float x) { return vf_exp(vf_set(x))[0]; }

/// bf16 with round to nearest even, NaN kept.
APUS_INLINE uint16_t bf16_from_float(float x) {
  uint32_t u;
  memcpy(&u, &x, 4);
  if ((u & 0x7FFFFFFF) > 0x7F800000) return (uint16_t)((u >> 16) | 0x40);
  return (uint16_t)((u + 0x7FFF + ((u >> 16) & 1)) >> 16);
}

APUS_INLINE float float_from_bf16(uint16_t h) {
  uint32_t u = (uint32_t)h << 16;
  float x;
  memcpy(&x, &u, 4);
  return x;
}
