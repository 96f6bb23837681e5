// How weights lie in memory, and how a warp takes them to its tensor cores.
//
// A weight is cut into chunks of 16 outputs by 16 (bf16), 32 (int8) or 64 inputs (NF4): 512 bytes, of which each lane
// of a warp has 16. They are what it gives apus_mma as a, one product after another. Behind the values of a chunk lie
// the scales of its rows, row r beside row r + 8. The chunks of 16 outputs follow one another; what a matrix lacks to
// whole chunks is zeros.
//
// Scales are not part of what the tensor cores are given: they multiply the sums of a chunk. Integers are exact in
// bf16 then, and NF4's table is rounded, not each weight.
#pragma once
#include "dialect.h"

/// QLoRA's NormalFloat4 (Dettmers et al. 2023), as bitsandbytes has it.
__constant__ float APUS_NF4[16] = {
    -1.f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f,
    -0.28444138169288635f, -0.18477343022823334f, -0.09105003625154495f, 0.f,
    0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f, 0.33791524171829224f,
    0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1.f,
};

namespace weights {

/// As WeightKind in Swift.
enum Kind { exact, halves, integers, codes };

/// Outputs of a chunk, and the bytes of its values.
constexpr int rows = 16, valueBytes = 512;

/// A lane's share of a chunk: the scales are of rows lane / 4 and lane / 4 + 8.
struct Share {
    u32 words[4];
    float scales[2];
};

// MARK: Forms

/// bf16: a word for each of a's registers.
struct Halves {
    static constexpr int depth = 16, steps = 1, bytes = valueBytes;
    static constexpr bool hasScales = false, hasTable = false;

    __device__ explicit Halves(const char *) {}

    APUS_DEVICE_METHOD void fragment(u32 (&a)[4], const Share &share, int) const {
        for (int j = 0; j < 4; j++) a[j] = share.words[j];
    }
};

/// Integers of 8 bits with a scale for 32 inputs: two bytes for each register.
struct Integers {
    static constexpr int depth = 32, steps = 2, bytes = valueBytes + 64;
    static constexpr bool hasScales = true, hasTable = false;

    __device__ explicit Integers(const char *) {}

    APUS_DEVICE_METHOD void fragment(u32 (&a)[4], const Share &share, int step) const {
        for (int j = 0; j < 4; j++) {
            const u32 word = share.words[2 * step + j / 2] ^ 0x80808080u;
            a[j] = apus_to_pair(value(word, j % 2 * 2), value(word, j % 2 * 2 + 1));
        }
    }

private:
    /// A byte b as the last of 2^23 + b, less 2^23 + 128.
    APUS_DEVICE_METHOD static float value(u32 word, int byte) {
        return __uint_as_float(__byte_perm(word, 0x4b000000u, 0x7440u + byte)) - 8388736.0f;
    }
};

/// Two codes of NF4 to a byte, the first in its upper half, with a scale for 64 inputs: a byte for each register, which
/// a table in shared memory turns into the pair.
///
/// A pair lies there once for each lane, in its own bank, and pairs 256 bytes apart: a lane's address is a byte of the
/// weight above a byte of its own, which is one instruction. The second half of each 256 bytes is free for others.
struct Codes {
    static constexpr int depth = 64, steps = 4, bytes = valueBytes + 64;
    static constexpr bool hasScales = true, hasTable = true;
    static constexpr int tableBytes = 256 * 256;
    const char *table;
    u32 lane;

    __device__ explicit Codes(const char *table) : table(table), lane(threadIdx.x % 32 * 4) {}

    /// Fills the table, by all threads of a block; a barrier has to follow.
    static __device__ void fill(char *table) {
        for (int i = (int)threadIdx.x; i < 256 * 8; i += (int)blockDim.x) {
            const u32 pair = apus_to_pair(APUS_NF4[i >> 7], APUS_NF4[i >> 3 & 15]);
            *reinterpret_cast<uint4 *>(table + (i >> 3) * 256 + (i & 7) * 16) = make_uint4(pair, pair, pair, pair);
        }
    }

    APUS_DEVICE_METHOD void fragment(u32 (&a)[4], const Share &share, int step) const {
        for (int j = 0; j < 4; j++) {
            const u32 place = __byte_perm(share.words[step], lane, 0x5504u + 16 * j);
            a[j] = *reinterpret_cast<const u32 *>(table + place);
        }
    }
};

// MARK: Chunks

/// Chunks that a row of inputs takes.
template <class Form> APUS_DEVICE int chunks_of(int inputs) { return (inputs + Form::depth - 1) / Form::depth; }

/// Where a lane finds its share of a chunk.
struct Cursor {
    const uint4 *values;
    const float2 *scales;

    Cursor() = default;
    __device__ explicit Cursor(const u8 *chunk)
        : values(reinterpret_cast<const uint4 *>(chunk) + threadIdx.x % 32),
          scales(reinterpret_cast<const float2 *>(chunk + valueBytes) + threadIdx.x % 32 / 4) {}

    /// Its share of the chunk that lies `number` further.
    template <class Form> APUS_DEVICE_METHOD void load(Share &share, int number) const {
        const uint4 own = apus_load_streaming(values + number * (Form::bytes / 16));
        share.words[0] = own.x;
        share.words[1] = own.y;
        share.words[2] = own.z;
        share.words[3] = own.w;
        if constexpr (Form::hasScales) {
            const float2 pair = __ldg(scales + number * (Form::bytes / 8));
            share.scales[0] = pair.x;
            share.scales[1] = pair.y;
        }
    }

    /// The same place in a chunk that lies so many bytes further.
    APUS_DEVICE_METHOD Cursor below(u32 bytes) const {
        Cursor other;
        other.values = values + bytes / 16;
        other.scales = scales + bytes / 8;
        return other;
    }

    template <class Form> APUS_DEVICE_METHOD void skip(int count) {
        values += count * (Form::bytes / 16);
        if constexpr (Form::hasScales) scales += count * (Form::bytes / 8);
    }
};

// MARK: Single values

/// Where a value lies: `pair` counts pairs of neighbouring inputs from the beginning of its chunk.
struct Place {
    size_t chunk;
    int row, pair;

    __device__ Place(int output, int input, int inputs, int depth)
        : chunk((size_t)(output / rows) * ((inputs + depth - 1) / depth) + input / depth), row(output % rows),
          pair((row % 8 * 4 + input % 8 / 2) * (depth / 4) + input % depth / 16 * 4 + input % 16 / 8 * 2 + row / 8) {}

    APUS_DEVICE_METHOD float scale(const u8 *chunk) const {
        return reinterpret_cast<const float *>(chunk + valueBytes)[row % 8 * 2 + row / 8];
    }
};

/// Two neighbouring values of a chunk, rounded to bf16. `table` is NF4's, of forms that have one: in shared memory, as the
/// lanes of a warp read constants one after another where they read different ones.
template <class Form> APUS_DEVICE u32 pair(const u8 *chunk, int place, float scale, const float *table) {
    if constexpr (!Form::hasScales) return reinterpret_cast<const u32 *>(chunk)[place];
    if constexpr (Form::hasTable) {
        return apus_to_pair(table[chunk[place] >> 4] * scale, table[chunk[place] & 15] * scale);
    }
    return apus_to_pair((float)(i8)chunk[2 * place] * scale, (float)(i8)chunk[2 * place + 1] * scale);
}

/// A value of a weight of any form; row after row where it is fp32.
APUS_DEVICE float value(int kind, const u8 *weight, int output, int input, int inputs) {
    if (kind == exact) return reinterpret_cast<const float *>(weight)[(size_t)output * inputs + input];
    if (kind == halves) {
        const Place at(output, input, inputs, Halves::depth);
        const u8 *chunk = weight + at.chunk * Halves::bytes;
        return apus_to_float(reinterpret_cast<const bf16 *>(chunk)[2 * at.pair + input % 2]);
    }
    if (kind == integers) {
        const Place at(output, input, inputs, Integers::depth);
        const u8 *chunk = weight + at.chunk * Integers::bytes;
        return (float)(i8)chunk[2 * at.pair + input % 2] * at.scale(chunk);
    }
    const Place at(output, input, inputs, Codes::depth);
    const u8 *chunk = weight + at.chunk * Codes::bytes;
    return APUS_NF4[input % 2 == 0 ? chunk[at.pair] >> 4 : chunk[at.pair] & 15] * at.scale(chunk);
}

}  // namespace weights
