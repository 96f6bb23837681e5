// Weights from fp32 values, and back: rows of a weight that are looked up.
//
// Values come in chunks of neighbouring rows that begin where blocks of 64 do, in order of the flattened matrix; what
// is packed goes to where the chunk's place in the weight is. Each value is multiplied by `factor` first: 1, or the
// scale of an adapter.
#pragma once
#include "rows.cuh"
#include "weights.cuh"

namespace packing {

/// A value moves up one code where it exceeds the fp32 midpoint of two table values, as in bitsandbytes on the CPU.
__constant__ float nf4_thresholds[15] = {
    -0.8480963706970215f, -0.6106328964233398f, -0.4599952697753906f, -0.33967941999435425f, -0.23460739850997925f,
    -0.13791173696517944f, -0.045525018125772476f, 0.03979014977812767f, 0.120255246758461f, 0.2035212516784668f,
    0.2920137643814087f, 0.3893125355243683f, 0.5016634464263916f, 0.6427869200706482f, 0.8614784479141235f};

APUS_DEVICE u32 nf4_code(float value) {
    u32 code = 0;
    for (int t = 0; t < 15; t++) code += value > nf4_thresholds[t];
    return code;
}

/// The magnitude as bits, which order as numbers without a sign do; NaN is the largest.
APUS_DEVICE u32 magnitude(float value) { return __float_as_uint(value) & 0x7fffffffu; }

/// The largest of the lanes that differ in the bits below `lanes`, a power of two.
APUS_DEVICE u32 largest_of(u32 value, int lanes) {
    for (int distance = lanes / 2; distance > 0; distance >>= 1) {
        value = max(value, __shfl_xor_sync(APUS_WARP, value, distance));
    }
    return value;
}

/// Steps to the largest value of a group: of Q4_0 and Q5_0, of the same where the outermost step is not taken, and of
/// Q8_0.
constexpr int grids = 5;
__constant__ float grid_steps[grids] = {8, 16, 7, 15, 127};

/// The number of a value's group; `group` is a power of two.
APUS_DEVICE size_t group_of(size_t at, int group) { return at >> (31 - __clz(group)); }

enum Kind { f32, half_precision, int8, nf4 };

/// A value of a weight: `at` is its place in the flattened matrix, `group` how many values share a scale of int8.
APUS_DEVICE float stored_value(int kind, const void *values, const float *scales, size_t at, int group) {
    switch (kind) {
        case f32: return static_cast<const float *>(values)[at];
        case half_precision: return apus_to_float(static_cast<const bf16 *>(values)[at]);
        case int8: return (float)static_cast<const i8 *>(values)[at] * scales[group_of(at, group)];
        default: break;
    }
    const u32 pair = static_cast<const u8 *>(values)[at / 2];
    return APUS_NF4[at % 2 == 0 ? pair >> 4 : pair & 15] * scales[at / 64];
}

}  // namespace packing

// MARK: Packing

extern "C" __global__ void __launch_bounds__(256)
apus_pack_f32(const float *values, long long count, float factor, float *packed) {
    const long long first = rows::flat_quad(), left = count - first;
    if (left <= 0) return;
    rows::Quad quad = rows::load_quad(values + first, left);
    for (int k = 0; k < 4; k++) quad.values[k] *= factor;
    rows::store_quad(packed + first, left, quad);
}
APUS_EXPORT(apus_pack_f32)

extern "C" __global__ void __launch_bounds__(256)
apus_pack_bf16(const float *values, long long count, float factor, bf16 *packed) {
    const long long first = rows::flat_quad(), left = count - first;
    if (left <= 0) return;
    rows::Quad quad = rows::load_quad(values + first, left);
    for (int k = 0; k < 4; k++) quad.values[k] *= factor;
    bf16 *to = packed + first;
    if (left >= 4 && ((size_t)to & 7) == 0) {
        *reinterpret_cast<uint2 *>(to) = make_uint2(apus_to_pair(quad.values[0], quad.values[1]),
                                                    apus_to_pair(quad.values[2], quad.values[3]));
        return;
    }
    for (int k = 0; k < 4 && k < left; k++) to[k] = apus_to_bf16(quad.values[k]);
}
APUS_EXPORT(apus_pack_bf16)

/// Integers from -127 to 127 in units of each group's scale, a lane a value. `group` is a power of two up to 32 and
/// divides `count`. Values that lie on a grid of GGUF's are kept exactly; the scale is NaN where one is not finite.
extern "C" __global__ void __launch_bounds__(256)
apus_pack_int8(const float *values, long long count, float factor, int group, i8 *packed, float *scales) {
    const long long at = (long long)blockIdx.x * rows::threads + threadIdx.x;
    if (at - threadIdx.x % 32 >= count) return;
    const bool is_inside = at < count;
    const float value = is_inside ? values[at] * factor : 0.0f;
    const u32 bits = packing::largest_of(packing::magnitude(value), group);
    const float largest = __uint_as_float(bits);
    const bool is_finite = bits < 0x7f800000u;
    float unit = 0, nearest = 0;
    bool is_exact = false;
    for (int grid = 0; grid < packing::grids; grid++) {
        const float step = largest / packing::grid_steps[grid];
        // Below the range of normal numbers nothing is exact, and nothing is lost by zero.
        const float exact = largest > 1e-30f ? value / step : 0.0f;
        const float rounded = (float)__float2int_rn(exact);
        const bool is_good = packing::largest_of(exact != rounded, group) == 0 || grid == packing::grids - 1;
        if (is_good && !is_exact) {
            unit = step;
            nearest = rounded;
            is_exact = true;
        }
    }
    if (!is_inside) return;
    packed[at] = is_finite ? (i8)(int)nearest : (i8)0;
    if ((at & (group - 1)) == 0) scales[packing::group_of(at, group)] = is_finite ? unit : __uint_as_float(0x7fc00000u);
}
APUS_EXPORT(apus_pack_int8)

/// Codes of NF4 and the largest magnitude of each 64 values; a warp has 64, a lane two neighbours, whose codes share a
/// byte.
extern "C" __global__ void __launch_bounds__(256)
apus_pack_nf4(const float *values, long long count, float factor, u8 *codes, float *largest) {
    const int lane = threadIdx.x % 32;
    const long long block = (long long)blockIdx.x * rows::warps + threadIdx.x / 32, first = block * 64 + 2 * lane;
    if (block * 64 >= count) return;
    const float a = first < count ? values[first] * factor : 0.0f;
    const float b = first + 1 < count ? values[first + 1] * factor : 0.0f;
    const float most = __uint_as_float(packing::largest_of(max(packing::magnitude(a), packing::magnitude(b)), 32));
    const float inverse = most > 0.0f ? 1.0f / most : 0.0f;
    if (lane == 0) largest[block] = most;
    if (first >= count) return;
    codes[first / 2] = (u8)(packing::nf4_code(a * inverse) << 4 | packing::nf4_code(b * inverse));
}
APUS_EXPORT(apus_pack_nf4)

// MARK: Looking up

/// x[i] = the weight's row tokens[i]. `kind` is 0 for fp32, 1 for bf16, 2 for int8, 3 for NF4.
extern "C" __global__ void __launch_bounds__(256)
apus_embed(const int *tokens, int rows, int kind, const void *values, const float *scales, int inputs, int group,
           float *x) {
    const rows::Place at = rows::place_of_quad(rows, inputs);
    if (!at.is_inside) return;
    const size_t begin = (size_t)tokens[at.row] * inputs + at.column;
    const int left = inputs - at.column;
    rows::Quad quad = {};
    for (int k = 0; k < 4 && k < left; k++) {
        quad.values[k] = packing::stored_value(kind, values, scales, begin + k, group);
    }
    rows::store_quad(x + (size_t)at.row * inputs + at.column, left, quad);
}
APUS_EXPORT(apus_embed)
