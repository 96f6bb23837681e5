// The words of CUDA C++ that kernels use, for a compiler of C++.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>

#include "races.h"

#define __global__
#define __device__
#define __host__
#define __constant__ static const
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(bytes) alignas(bytes)
#define __restrict__ __restrict
// One section holds the shared variables of all kernels, so that every block can begin with poison in them.
#ifdef __APPLE__
#define __shared__ static __attribute__((section("__DATA,apus_shared")))
extern char __start_apus_shared[] __asm("section$start$__DATA$apus_shared");
extern char __stop_apus_shared[] __asm("section$end$__DATA$apus_shared");
#else
#define __shared__ static __attribute__((section("apus_shared")))
extern "C" {
extern char __start_apus_shared[] __attribute__((weak, visibility("hidden")));
extern char __stop_apus_shared[] __attribute__((weak, visibility("hidden")));
}
#endif

struct alignas(8) float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(8) int2 { int x, y; };
struct alignas(16) int4 { int x, y, z, w; };
struct alignas(8) uint2 { unsigned x, y; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
static inline float2 make_float2(float x, float y) { return {x, y}; }
static inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
static inline int2 make_int2(int x, int y) { return {x, y}; }
static inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
static inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
static inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

// MARK: Threads

#define threadIdx (emulation::machine->current->index)
#define blockIdx (emulation::machine->blockIndex)
#define blockDim (emulation::machine->block)
#define gridDim (emulation::machine->grid)

#define EMULATION_PLACE (emulation::Place{__FILE__, __LINE__})
#define __syncthreads() emulation::waitAtBarrier(EMULATION_PLACE)
#define __syncwarp(...) \
    ((void)emulation::meet<0>(~0u, nullptr, emulation::Operation::synchronize, EMULATION_PLACE))
#define __shfl_sync(mask, value, lane) emulation::shuffle(mask, value, (unsigned)(lane), EMULATION_PLACE)
#define __shfl_xor_sync(mask, value, bits) \
    emulation::shuffle(mask, value, emulation::machine->current->lane ^ (unsigned)(bits), EMULATION_PLACE)
#define __shfl_down_sync(mask, value, distance) \
    emulation::shuffle(mask, value, emulation::laneAbove((unsigned)(distance)), EMULATION_PLACE)
#define __shfl_up_sync(mask, value, distance) \
    emulation::shuffle(mask, value, emulation::laneBelow((unsigned)(distance)), EMULATION_PLACE)
#define __ballot_sync(mask, predicate) emulation::vote(mask, predicate, EMULATION_PLACE)
#define __any_sync(mask, predicate) (emulation::vote(mask, predicate, EMULATION_PLACE) != 0)
#define __all_sync(mask, predicate) (emulation::vote(mask, predicate, EMULATION_PLACE) == (mask))

namespace emulation {

template <class T> inline T shuffle(uint32_t mask, T value, unsigned lane, Place place) {
    static_assert(sizeof(T) == 4 || sizeof(T) == 8, "shuffles move 32 or 64 bits");
    unsigned generation = meet<sizeof value>(mask, &value, Operation::shuffle, place);
    return shown<T>(lane & 31, generation);
}

inline unsigned laneAbove(unsigned distance) {
    unsigned lane = machine->current->lane;
    return lane + distance > 31 ? lane : lane + distance;
}

inline unsigned laneBelow(unsigned distance) {
    unsigned lane = machine->current->lane;
    return lane < distance ? lane : lane - distance;
}

inline unsigned vote(uint32_t mask, bool predicate, Place place) {
    unsigned generation = meet<1>(mask, &predicate, Operation::vote, place), result = 0;
    for (unsigned lane = 0; lane < 32; lane++) {
        if ((mask >> lane & 1) && shown<bool>(lane, generation)) result |= 1u << lane;
    }
    return result;
}

}  // namespace emulation

// MARK: Memory and numbers

template <class T> EMULATION_UNWATCHED static inline T atomicAdd(T *target, T value) {
    static_assert(!std::is_floating_point_v<T>, "sums of floats would depend on the order of threads");
    T old = *target;
    *target = (T)(old + value);
    return old;
}
template <class T> EMULATION_UNWATCHED static inline T atomicMax(T *target, T value) {
    T old = *target;
    *target = std::max(old, value);
    return old;
}
template <class T> EMULATION_UNWATCHED static inline T atomicMin(T *target, T value) {
    T old = *target;
    *target = std::min(old, value);
    return old;
}
template <class T> EMULATION_UNWATCHED static inline T atomicOr(T *target, T value) {
    T old = *target;
    *target = (T)(old | value);
    return old;
}
template <class T> EMULATION_UNWATCHED static inline T atomicExch(T *target, T value) {
    T old = *target;
    *target = value;
    return old;
}
template <class T> EMULATION_UNWATCHED static inline T atomicCAS(T *target, T expected, T value) {
    T old = *target;
    if (old == expected) *target = value;
    return old;
}
template <class T> static inline T __ldg(const T *source) { return *source; }
static inline void __threadfence() {}
static inline void __threadfence_block() {}

static inline float __uint_as_float(unsigned bits) { return __builtin_bit_cast(float, bits); }
static inline float __int_as_float(int bits) { return __builtin_bit_cast(float, bits); }
static inline unsigned __float_as_uint(float value) { return __builtin_bit_cast(unsigned, value); }
static inline int __float_as_int(float value) { return __builtin_bit_cast(int, value); }
static inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
static inline float __fadd_rn(float a, float b) { return a + b; }
static inline float __fsub_rn(float a, float b) { return a - b; }
static inline float __fmul_rn(float a, float b) { return a * b; }
static inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
static inline float __fdiv_rn(float a, float b) { return a / b; }
static inline float __fsqrt_rn(float x) { return sqrtf(x); }
static inline double __dadd_rn(double a, double b) { return a + b; }
static inline double __dmul_rn(double a, double b) { return a * b; }
/// Out of range and NaN as the card does it: the nearest integer there is, and 0.
static inline int __float2int_rn(float x) {
    if (std::isnan(x)) return 0;
    return x >= 2147483648.0f ? 2147483647 : x <= -2147483648.0f ? -2147483647 - 1 : (int)rintf(x);
}
static inline float __int2float_rn(int x) { return (float)x; }
static inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((unsigned long long)a * b >> 32); }
/// Four of eight bytes, the second number's above the first's: byte i of the result is the one that four bits of the
/// selector name.
static inline unsigned __byte_perm(unsigned low, unsigned high, unsigned selector) {
    const unsigned long long bytes = (unsigned long long)high << 32 | low;
    unsigned result = 0;
    for (int i = 0; i < 4; i++) result |= (unsigned)(bytes >> (selector >> 4 * i & 7) * 8 & 255) << 8 * i;
    return result;
}
static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
static inline unsigned __brev(unsigned x) { return __builtin_bitreverse32(x); }
using std::isfinite;
using std::isinf;
using std::isnan;
using std::max;
using std::min;
