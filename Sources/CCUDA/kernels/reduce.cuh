// Reductions over the threads of a block, in a tree that depends on the size of the block alone.
#pragma once
#include "dialect.h"

template <class Value, class Combine>
APUS_DEVICE Value apus_block_reduce(Value value, Value *parts, Value neutral, Combine combine) {
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    for (int distance = 16; distance > 0; distance >>= 1) {
        value = combine(value, __shfl_xor_sync(APUS_WARP, value, distance));
    }
    // Whoever reads the parts of an earlier reduction has done so.
    __syncthreads();
    if (lane == 0) parts[warp] = value;
    __syncthreads();
    value = lane < (int)blockDim.x / 32 ? parts[lane] : neutral;
    for (int distance = 16; distance > 0; distance >>= 1) {
        value = combine(value, __shfl_xor_sync(APUS_WARP, value, distance));
    }
    return value;
}

struct ApusSum {
    template <class Value> APUS_DEVICE_METHOD Value operator()(Value a, Value b) const { return a + b; }
};

/// As `fmax`, a NaN counts only where all are.
struct ApusLargest {
    APUS_DEVICE_METHOD double operator()(double a, double b) const { return fmax(a, b); }
    APUS_DEVICE_METHOD u64 operator()(u64 a, u64 b) const { return a > b ? a : b; }
};

/// The sum of all threads' values, in each of them; `parts` has room for a value of each warp.
template <class Value> APUS_DEVICE Value apus_block_sum(Value value, Value *parts) {
    return apus_block_reduce(value, parts, Value(0), ApusSum());
}

/// The largest of all threads' values, in each of them.
APUS_DEVICE double apus_block_max(double value, double *parts) {
    return apus_block_reduce(value, parts, (double)-APUS_INFINITY, ApusLargest());
}
APUS_DEVICE u64 apus_block_max(u64 value, u64 *parts) {
    return apus_block_reduce(value, parts, (u64)0, ApusLargest());
}

// MARK: Order of floats

/// Bits that are ordered as floats are, -0 just below 0.
APUS_DEVICE u32 apus_ordered(float value) {
    u32 bits = __float_as_uint(value);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

/// A value with its place, larger for a larger value and of equal ones for the earlier; zeros of both signs are equal.
APUS_DEVICE u64 apus_ranked(float value, int place) {
    return (u64)apus_ordered(value == 0 ? 0.f : value) << 32 | (u32)~place;
}
APUS_DEVICE int apus_ranked_place(u64 ranked) { return (int)~(u32)ranked; }
