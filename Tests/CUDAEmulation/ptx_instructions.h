// What PTX instructions do, in C++: the kernels that Scripts/translate_ptx.py makes of PTX include this. Compile them
// with -fwrapv, for sums of integers wrap around, and -ffp-contract=off, for products and sums are rounded each.
//
// Instructions that a card computes approximately are exact here, but for what the instruction set says of small numbers.
#pragma once
#include <bit>
#include <concepts>
#include <cstdint>
#include <limits>

#include "../../Sources/CCUDA/kernels/dialect.h"
#include "kernel_library.h"

namespace ptx {

using s8 = int8_t;
using u8 = uint8_t;
using s16 = int16_t;
using u16 = uint16_t;
using s32 = int32_t;
using u32 = uint32_t;
using s64 = int64_t;
using u64 = uint64_t;
using b8 = uint8_t;
using b16 = uint16_t;
using b32 = uint32_t;
using b64 = uint64_t;
using f32 = float;
using f64 = double;
using pred = bool;

// MARK: Registers

/// What a register holds before it is written: NaN, and an index that no buffer has.
template <class T> inline constexpr T unwritten = T(~u64(0));
template <> inline constexpr f32 unwritten<f32> = std::numeric_limits<f32>::quiet_NaN();
template <> inline constexpr f64 unwritten<f64> = std::numeric_limits<f64>::quiet_NaN();

/// Reads a register, or the lower bits of one, as a type.
template <class T, class Register> inline T as(Register value) {
    if constexpr (sizeof(T) == sizeof(Register)) return std::bit_cast<T>(value);
    else return std::bit_cast<T>((std::make_unsigned_t<T>)value);
}

/// Writes a register of the value's size.
template <class Register, class T> inline void put(Register &target, T value) { target = std::bit_cast<Register>(value); }

/// Writes a register that may be larger than the value, whose sign then fills it.
template <class Register, class T> inline void extend(Register &target, T value) {
    if constexpr (sizeof(Register) == sizeof(T)) target = std::bit_cast<Register>(value);
    else target = (Register)(std::make_signed_t<Register>)value;
}

/// A larger number's half.
inline u32 lowHalf(u64 value) { return (u32)value; }
inline u32 highHalf(u64 value) { return (u32)(value >> 32); }
inline u64 join(u32 low, u32 high) { return (u64)high << 32 | low; }

// MARK: Memory

/// Addresses have to be multiples of what is read or written there at once.
template <size_t bytes> inline char *aligned(char *address) {
    if ((uintptr_t)address % bytes) emulation::fail("an address that is not a multiple of the access's size");
    return address;
}
template <size_t bytes> inline char *global(u64 address) { return aligned<bytes>((char *)address); }
template <size_t bytes> inline char *shared(u32 address) {
    return aligned<bytes>(emulation::sharedPointer(address, bytes));
}
template <class T> inline T load(const char *address) {
    T value;
    memcpy(&value, address, sizeof value);
    return value;
}
template <class T> inline void store(char *address, T value) { memcpy(address, &value, sizeof value); }

inline u64 addressOf(const void *variable) { return (u64)(uintptr_t)variable; }
inline u32 sharedAddress(const void *variable) { return emulation::sharedAddress(variable); }
inline u32 dynamicSharedAddress() { return emulation::dynamicAddress; }

/// A parameter that is more than a number.
template <size_t count, size_t alignment> struct Structure {
    alignas(alignment) char bytes[count];
};

// MARK: Integers

template <class T> inline T highProduct(T a, T b) {
    using Wide = std::conditional_t<std::is_signed_v<T>, s64, u64>;
    return (T)(((Wide)a * (Wide)b) >> 32);
}
template <std::integral T> inline T shiftLeft(T a, u32 b) { return b < sizeof(T) * 8 ? (T)(a << b) : T(0); }
template <std::integral T> inline T shiftRight(T a, u32 b) {
    constexpr u32 bits = sizeof(T) * 8;
    return (T)(a >> (b < bits ? b : bits - 1) >> (b < bits ? 0 : 1));
}
/// Four of the bytes of a and b, of which each has three bits of the choice. The fourth, which asks for a byte's sign
/// alone, is none that kernels set.
inline u32 pickBytes(u32 a, u32 b, u32 choice) {
    if (choice & 0x8888) emulation::fail("a permutation of bytes that takes a sign");
    const u64 bytes = join(a, b);
    u32 picked = 0;
    for (u32 i = 0; i < 4; i++) picked |= (u32)(bytes >> (choice >> (4 * i) & 7) * 8 & 255) << (8 * i);
    return picked;
}
/// b with `length` bits of a from `position` on.
template <std::unsigned_integral T> inline T insertBits(T a, T b, u32 position, u32 length) {
    position &= 255;
    length &= 255;
    const T mask = shiftLeft((T)(shiftLeft(T(1), length) - 1), position);
    return (T)((b & ~mask) | (shiftLeft(a, position) & mask));
}
/// How far the highest bit that is set has to be shifted to be the first.
inline u32 shiftToFirst(u32 a) { return a ? (u32)__builtin_clz(a) : ~u32(0); }

// MARK: Floating point

/// A larger one of two numbers, the other where one is NaN.
template <class T> inline T larger(T a, T b) {
    if constexpr (std::integral<T>) return a < b ? b : a;
    else return std::fmax(a, b);
}
template <class T> inline T smaller(T a, T b) {
    if constexpr (std::integral<T>) return b < a ? b : a;
    else return std::fmin(a, b);
}
inline f32 fused(f32 a, f32 b, f32 c) { return __builtin_fmaf(a, b, c); }
inline f64 fused(f64 a, f64 b, f64 c) { return __builtin_fma(a, b, c); }

/// a b + c, rounded down.
inline f32 fusedDown(f32 a, f32 b, f32 c) {
    // The product is exact; what its sum with c loses is known too.
    const f64 product = (f64)a * (f64)b, sum = product + (f64)c, part = sum - product;
    const f64 lost = (product - (sum - part)) + ((f64)c - part);
    const f32 rounded = (f32)sum;
    const bool isAbove = (f64)rounded > sum || ((f64)rounded == sum && lost < 0);
    return isAbove ? nextafterf(rounded, -INFINITY) : rounded;
}
/// To 0 ... 1, NaN to 0.
inline f32 saturated(f32 a) { return a > 0 ? fminf(a, 1) : 0; }
inline f32 flushed(f32 a) { return fabsf(a) < std::numeric_limits<f32>::min() ? copysignf(0, a) : a; }
/// The upper half of 1 / a.
inline f64 roughReciprocal(f64 a) { return std::bit_cast<f64>(std::bit_cast<u64>(1 / a) >> 32 << 32); }

/// The nearest integer that there is, 0 for NaN.
template <class T> inline T toInteger(f64 a) {
    using Limits = std::numeric_limits<T>;
    if (std::isnan(a)) return 0;
    if (a >= (f64)Limits::max()) return Limits::max();
    return a <= (f64)Limits::min() ? Limits::min() : (T)a;
}
inline u16 toBF16(f32 a) { return apus_to_bf16(a).bits; }

// MARK: Threads

/// What kernels promise of the size of their blocks, which a card holds them to.
template <unsigned threads> inline void blockHolds() {
    if (emulation::machine->threadCount > threads) emulation::fail("more threads in a block than the kernel is made for");
}

inline b32 exchange(b32 value, u32 lanes, u32 clamp, u32 mask, emulation::Place place) {
    if (clamp != 31) emulation::fail("a shuffle within parts of a warp");
    return emulation::shuffle(mask, value, emulation::machine->current->lane ^ lanes, place);
}
inline void synchronizeWarp(u32 mask, emulation::Place place) {
    emulation::meet<0>(mask, nullptr, emulation::Operation::synchronize, place);
}

}  // namespace ptx
