// Weights from fp32 values, and back: rows of a weight that are looked up.
//
// Values come in chunks of neighbouring rows that begin with a multiple of 64, row after row; `packed` is where the
// chunk's place in the weight is. Each value is multiplied by `factor` first: 1, or the scale of an adapter. A warp
// packs a chunk of the weight, of which each lane has pairs of two rows (see weights.cuh).
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

/// The largest of the lanes that differ in the bits below `lanes`, a power of two.
APUS_DEVICE u32 largest_of(u32 value, int lanes) {
    for (int distance = lanes / 2; distance > 0; distance >>= 1) {
        value = max(value, __shfl_xor_sync(APUS_WARP, value, distance));
    }
    return value;
}

/// The largest magnitude of a group that so many lanes have, as bits, which order as numbers without a sign do; NaN is
/// the largest.
template <int count> APUS_DEVICE u32 largest_magnitude(const float (&values)[count], int lanes) {
    u32 most = 0;
    for (int i = 0; i < count; i++) most = max(most, __float_as_uint(values[i]) & 0x7fffffffu);
    return largest_of(most, lanes);
}

/// Steps to the largest value of a group: of Q4_0 and Q5_0, of the same where the outermost step is not taken, and of
/// Q8_0.
constexpr int grids = 5;
__constant__ float grid_steps[grids] = {8, 16, 7, 15, 127};

/// Integers from -127 to 127 and what they are in units of. Values that lie on a grid of GGUF's are kept exactly; the
/// unit is NaN where one is not finite.
template <int count> struct Integers {
    float unit;
    int values[count];

    __device__ Integers(const float (&from)[count], int lanes) : unit(0), values{} {
        const u32 bits = largest_magnitude(from, lanes);
        const float largest = __uint_as_float(bits);
        bool isFound = false;
        for (int grid = 0; grid < grids; grid++) {
            const float step = largest / grid_steps[grid];
            int rounded[count];
            bool isExact = true;
            for (int i = 0; i < count; i++) {
                // Below the range of normal numbers nothing is exact, and nothing is lost by zero.
                const float exact = largest > 1e-30f ? from[i] / step : 0.0f;
                rounded[i] = __float2int_rn(exact);
                isExact &= exact == (float)rounded[i];
            }
            const bool isGood = largest_of(isExact ? 0 : 1, lanes) == 0 || grid == grids - 1;
            if (!isGood || isFound) continue;
            isFound = true;
            unit = step;
            for (int i = 0; i < count; i++) values[i] = rounded[i];
        }
        if (bits < 0x7f800000u) return;
        unit = __uint_as_float(0x7fc00000u);
        for (int i = 0; i < count; i++) values[i] = 0;
    }
};

/// A lane's values of the chunk that its warp packs: value i of row r of two, in order of the lane's pairs.
template <int depth> struct ChunkValues {
    static constexpr int count = depth / 4;
    float values[2][count];
    size_t chunk;
    bool isInside;

    __device__ ChunkValues(const float *from, int rows, int inputs, float factor) {
        const int lane = threadIdx.x % 32, chunks = (inputs + depth - 1) / depth;
        chunk = (size_t)blockIdx.x * rows::warps + threadIdx.x / 32;
        isInside = chunk < (size_t)((rows + weights::rows - 1) / weights::rows) * chunks;
        if (!isInside) return;
        const int firstRow = (int)(chunk / chunks) * weights::rows + lane / 4;
        const int firstInput = (int)(chunk % chunks) * depth + lane % 4 * 2;
#pragma unroll
        for (int r = 0; r < 2; r++) {
#pragma unroll
            for (int i = 0; i < count; i++) {
                const int row = firstRow + 8 * r, input = firstInput + i / 2 * 8 + i % 2;
                const bool has = row < rows && input < inputs;
                values[r][i] = has ? from[(size_t)row * inputs + input] * factor : 0.0f;
            }
        }
    }

    /// Writes the lane's share, and the scale of each row where the form has them: 0 for rows that there are not.
    template <class Form> __device__ void store(u8 *packed, const u32 (&words)[4], float first, float second) const {
        const int lane = threadIdx.x % 32;
        u8 *to = packed + chunk * Form::bytes;
        reinterpret_cast<uint4 *>(to)[lane] = make_uint4(words[0], words[1], words[2], words[3]);
        if (!Form::hasScales || lane % 4 != 0) return;
        reinterpret_cast<float2 *>(to + weights::valueBytes)[lane / 4] = make_float2(first, second);
    }
};

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
apus_pack_bf16(const float *values, int rows, int inputs, float factor, u8 *packed) {
    const packing::ChunkValues<weights::Halves::depth> own(values, rows, inputs, factor);
    if (!own.isInside) return;
    u32 words[4];
    for (int j = 0; j < 4; j++) {
        words[j] = apus_to_pair(own.values[j % 2][j / 2 * 2], own.values[j % 2][j / 2 * 2 + 1]);
    }
    own.store<weights::Halves>(packed, words, 0, 0);
}
APUS_EXPORT(apus_pack_bf16)

/// Rows are whole groups of 32.
extern "C" __global__ void __launch_bounds__(256)
apus_pack_int8(const float *values, int rows, int inputs, float factor, u8 *packed) {
    const packing::ChunkValues<weights::Integers::depth> own(values, rows, inputs, factor);
    if (!own.isInside) return;
    const packing::Integers<8> first(own.values[0], 4), second(own.values[1], 4);
    u32 words[4] = {};
    for (int i = 0; i < 8; i++) {
        const int place = i / 2 * 4 + i % 2;
        words[place / 4] |= (u32)(first.values[i] & 255) << place % 4 * 8;
        words[place / 4] |= (u32)(second.values[i] & 255) << (place % 4 + 2) * 8;
    }
    own.store<weights::Integers>(packed, words, first.unit, second.unit);
}
APUS_EXPORT(apus_pack_int8)

/// Rows are whole blocks of 64.
extern "C" __global__ void __launch_bounds__(256)
apus_pack_nf4(const float *values, int rows, int inputs, float factor, u8 *packed) {
    const packing::ChunkValues<weights::Codes::depth> own(values, rows, inputs, factor);
    if (!own.isInside) return;
    u32 words[4] = {};
    float largest[2];
#pragma unroll
    for (int r = 0; r < 2; r++) {
        largest[r] = __uint_as_float(packing::largest_magnitude(own.values[r], 4));
        const float inverse = largest[r] > 0.0f ? 1.0f / largest[r] : 0.0f;
#pragma unroll
        for (int pair = 0; pair < 8; pair++) {
            const u32 high = packing::nf4_code(own.values[r][2 * pair] * inverse);
            const u32 low = packing::nf4_code(own.values[r][2 * pair + 1] * inverse);
            words[pair / 2] |= (high << 4 | low) << (pair % 2 * 2 + r) * 8;
        }
    }
    own.store<weights::Codes>(packed, words, largest[0], largest[1]);
}
APUS_EXPORT(apus_pack_nf4)

/// From codes two to a byte, the first in the upper half, and a scale for each 64; rows are whole blocks.
extern "C" __global__ void __launch_bounds__(256)
apus_pack_codes(const u8 *codes, const float *scales, int rows, int inputs, u8 *packed) {
    const int lane = threadIdx.x % 32, chunks = inputs / 64;
    const size_t chunk = (size_t)blockIdx.x * rows::warps + threadIdx.x / 32;
    if (chunk >= (size_t)((rows + weights::rows - 1) / weights::rows) * chunks) return;
    const int firstRow = (int)(chunk / chunks) * weights::rows + lane / 4;
    u32 words[4] = {};
    float own[2] = {};
    for (int r = 0; r < 2; r++) {
        if (firstRow + 8 * r >= rows) continue;
        const size_t block = (size_t)(firstRow + 8 * r) * chunks + chunk % chunks;
        own[r] = scales[block];
        for (int pair = 0; pair < 8; pair++) {
            words[pair / 2] |= (u32)codes[block * 32 + pair * 4 + lane % 4] << (pair % 2 * 2 + r) * 8;
        }
    }
    u8 *to = packed + chunk * weights::Codes::bytes;
    reinterpret_cast<uint4 *>(to)[lane] = make_uint4(words[0], words[1], words[2], words[3]);
    if (lane % 4 == 0) {
        reinterpret_cast<float2 *>(to + weights::valueBytes)[lane / 4] = make_float2(own[0], own[1]);
    }
}
APUS_EXPORT(apus_pack_codes)

// MARK: Rounding

// Rows that are not whole groups or blocks are held as bf16, of the values that the form would have given them.

/// The values that codes and scales of the flattened matrix stand for.
extern "C" __global__ void __launch_bounds__(256)
apus_unpack_codes(const u8 *codes, const float *scales, long long count, float *values) {
    const long long at = (long long)blockIdx.x * rows::threads + threadIdx.x;
    if (at >= count) return;
    const u32 pair = codes[at / 2];
    values[at] = APUS_NF4[at % 2 == 0 ? pair >> 4 : pair & 15] * scales[at / 64];
}
APUS_EXPORT(apus_unpack_codes)

/// Values become those that codes of NF4 stand for, in blocks of 64 of the flattened matrix; a lane has two of them.
extern "C" __global__ void __launch_bounds__(256) apus_round_to_nf4(float *values, long long count) {
    const long long block = (long long)blockIdx.x * rows::warps + threadIdx.x / 32;
    const long long first = block * 64 + threadIdx.x % 32 * 2;
    if (block * 64 >= count) return;
    float own[2];
    for (int i = 0; i < 2; i++) own[i] = first + i < count ? values[first + i] : 0.0f;
    const float largest = __uint_as_float(packing::largest_magnitude(own, 32));
    const float inverse = largest > 0.0f ? 1.0f / largest : 0.0f;
    for (int i = 0; i < 2; i++) {
        if (first + i < count) values[first + i] = APUS_NF4[packing::nf4_code(own[i] * inverse)] * largest;
    }
}
APUS_EXPORT(apus_round_to_nf4)

/// The same of integers; `group` is a power of two up to 32 and divides `count`.
extern "C" __global__ void __launch_bounds__(256) apus_round_to_int8(float *values, long long count, int group) {
    const long long at = (long long)blockIdx.x * rows::threads + threadIdx.x;
    if (at - threadIdx.x % 32 >= count) return;
    const float own[1] = {at < count ? values[at] : 0.0f};
    const packing::Integers<1> rounded(own, group);
    if (at < count) values[at] = (float)rounded.values[0] * rounded.unit;
}
APUS_EXPORT(apus_round_to_int8)

// MARK: Looking up

/// x[i] = the weight's row tokens[i]. `kind` as in weights.cuh.
extern "C" __global__ void __launch_bounds__(256)
apus_embed(const int *tokens, int rows, int kind, const u8 *weight, int inputs, float *x) {
    const rows::Place at = rows::place_of_quad(rows, inputs);
    if (!at.is_inside) return;
    const int left = inputs - at.column;
    rows::Quad quad = {};
    for (int k = 0; k < 4 && k < left; k++) {
        quad.values[k] = weights::value(kind, weight, tokens[at.row], at.column + k, inputs);
    }
    rows::store_quad(x + (size_t)at.row * inputs + at.column, left, quad);
}
APUS_EXPORT(apus_embed)
