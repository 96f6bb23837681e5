// The dialect that kernels are written in. Whatever is PTX stands here and nowhere else, in helpers that each have a
// twin in C++, which the emulator of the tests compiles: a kernel is one source for both.
//
// Every lane of a warp takes part in a warp operation (shuffles, apus_mma, apus_ldmatrix), and every thread of a block
// reaches every barrier.
#pragma once

#ifdef APUS_EMULATION
#include "emulation.h"
#define APUS_DEVICE static __forceinline__
#define APUS_DEVICE_METHOD __forceinline__
#define APUS_SAME_STORE EMULATION_UNWATCHED static
/// Makes a kernel known to tests by its name; nothing on the card, where the name is known by itself.
#define APUS_PARAMETER(Type) const Type
#define APUS_EXPORT(kernel) static const emulation::Export<&kernel> exported_##kernel(#kernel);
/// Declares `name`, a pointer to the dynamic shared memory of the block.
#define APUS_DYNAMIC_SHARED(type, name) type *name = reinterpret_cast<type *>(emulation::machine->sharedMemory)
#else
#define APUS_DEVICE static __device__ __forceinline__
#define APUS_DEVICE_METHOD __device__ __forceinline__
#define APUS_SAME_STORE static __device__ __forceinline__
/// A structure as a kernel's parameter: it stays where the driver puts it, also where a number finds a part of it.
#define APUS_PARAMETER(Type) const __grid_constant__ Type
#define APUS_EXPORT(kernel)
#define APUS_DYNAMIC_SHARED(type, name)                       \
    extern __shared__ __align__(1024) unsigned char apus_dynamic_shared[]; \
    type *name = reinterpret_cast<type *>(apus_dynamic_shared)
#endif

typedef signed char i8;
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

/// The upper half of an fp32 number. Two of them make a u32, the first in the lower half, as tensor cores take them.
struct bf16 {
    u16 bits;
};

/// Stores a value where other threads may be storing the same one.
template <class Value> APUS_SAME_STORE void apus_store_same(Value *target, Value value) { *target = value; }

#define APUS_INFINITY __uint_as_float(0x7f800000u)
#define APUS_WARP 0xffffffffu

APUS_DEVICE float apus_to_float(bf16 value) { return __uint_as_float((u32)value.bits << 16); }
/// The first and the second number of a pair.
APUS_DEVICE float apus_first(u32 pair) { return __uint_as_float(pair << 16); }
APUS_DEVICE float apus_second(u32 pair) { return __uint_as_float(pair & 0xffff0000u); }

/// e to the power of x, within two units in the last place.
APUS_DEVICE float apus_exp(float x) { return expf(x); }

#ifdef APUS_EMULATION
#include "emulated_instructions.h"
#else

// MARK: Numbers

/// Rounds to the nearest bf16, ties to even.
APUS_DEVICE bf16 apus_to_bf16(float value) {
    bf16 result;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(result.bits) : "f"(value));
    return result;
}

/// Two numbers, rounded, as a pair.
APUS_DEVICE u32 apus_to_pair(float first, float second) {
    u32 pair;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(second), "f"(first));
    return pair;
}

/// 2 to the power of x, within two units in the last place; results below the smallest normal number are 0.
APUS_DEVICE float apus_exp2(float x) {
    float result;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
    return result;
}

/// What is made of the value is made again from here on: where registers are scarce, it is not worth one over a loop.
APUS_DEVICE void apus_recompute(int &value) { asm volatile("" : "+r"(value)); }

// MARK: Tensor cores

/// d += a b on a warp: a is 16 x 16, b 16 x 8, of bf16; d is 16 x 8 of fp32.
///
/// Lane l has, with row = l / 4 and column = l % 4 * 2:
/// - a[0]: a[row][column, column + 1]; a[1]: 8 rows below; a[2]: 8 columns on; a[3]: both
/// - b0: b[column, column + 1][row]; b1: 8 rows below
/// - d[0], d[1]: d[row][column, column + 1]; d[2], d[3]: 8 rows below
APUS_DEVICE void apus_mma(float (&d)[4], const u32 (&a)[4], u32 b0, u32 b1) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/// The 32-bit address of something in shared memory.
APUS_DEVICE u32 apus_shared_address(const void *pointer) { return (u32)__cvta_generic_to_shared(pointer); }

/// Loads four 8 x 8 matrices of bf16. Lanes 8 m to 8 m + 7 give the addresses of the rows of matrix m, 16 bytes each,
/// on multiples of 16; result[m] of lane l is matrix m's row l / 4, columns l % 4 * 2 and the next.
APUS_DEVICE void apus_ldmatrix(u32 (&result)[4], u32 row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(result[0]), "=r"(result[1]), "=r"(result[2]), "=r"(result[3])
                 : "r"(row)
                 : "memory");
}

/// The same, each matrix transposed: result[m] of lane l is matrix m's rows l % 4 * 2 and the next, column l / 4.
APUS_DEVICE void apus_ldmatrix_transposed(u32 (&result)[4], u32 row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(result[0]), "=r"(result[1]), "=r"(result[2]), "=r"(result[3])
                 : "r"(row)
                 : "memory");
}

// MARK: Copies

/// Begins to copy 16 bytes from global memory to shared memory; zeros where `inside` is false (`source` is then not
/// read, but has to be an address of the buffer). Both on multiples of 16.
APUS_DEVICE void apus_copy_async(u32 destination, const void *source, bool inside) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
                 :
                 : "r"(destination), "l"(__cvta_generic_to_global(source)), "r"(inside ? 16 : 0)
                 : "memory");
}

/// Ends a group of the thread's copies.
APUS_DEVICE void apus_copy_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

/// Waits for all groups of this thread but the newest `count`; other threads see them after the next barrier.
template <int count> APUS_DEVICE void apus_copy_wait() {
    asm volatile("cp.async.wait_group %0;" ::"n"(count) : "memory");
}

/// Loads 16 bytes that no kernel writes meanwhile and that are not needed again soon.
APUS_DEVICE uint4 apus_load_streaming(const uint4 *source) {
    uint4 value;
    asm("ld.global.nc.L1::no_allocate.v4.u32 {%0,%1,%2,%3}, [%4];"
        : "=r"(value.x), "=r"(value.y), "=r"(value.z), "=r"(value.w)
        : "l"(__cvta_generic_to_global(source)));
    return value;
}
#endif

// MARK: Warps

/// The sum over the lanes of a warp, the same to the bit in each.
APUS_DEVICE float apus_warp_sum(float value) {
    for (int distance = 16; distance > 0; distance >>= 1) value += __shfl_xor_sync(APUS_WARP, value, distance);
    return value;
}

/// The largest value of the lanes of a warp; NaN counts only where all are.
APUS_DEVICE float apus_warp_max(float value) {
    for (int distance = 16; distance > 0; distance >>= 1) {
        value = fmaxf(value, __shfl_xor_sync(APUS_WARP, value, distance));
    }
    return value;
}
