// How weights are held, and how pairs of neighbouring values are read as tensor cores take them.
#pragma once
#include "dialect.h"

/// QLoRA's NormalFloat4 (Dettmers et al. 2023), as bitsandbytes has it.
__constant__ float APUS_NF4[16] = {
    -1.f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f,
    -0.28444138169288635f, -0.18477343022823334f, -0.09105003625154495f, 0.f,
    0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f, 0.33791524171829224f,
    0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1.f,
};

/// Values side by side.
struct BF16Weight {
    const u32 *pairs;

    APUS_DEVICE_METHOD BF16Weight(const void *values, const float *, int) : pairs((const u32 *)values) {}

    /// The values at an even place of the flattened matrix and the one after it.
    APUS_DEVICE_METHOD u32 pair(size_t place) const { return pairs[place / 2]; }
};

/// Integers with one scale for as many inputs as divide both a row and 32.
struct Int8Weight {
    const i8 *values;
    const float *scales;
    int group;

    APUS_DEVICE_METHOD Int8Weight(const void *values, const float *scales, int inputs)
        : values((const i8 *)values), scales(scales), group(32) {
        while (inputs % group) group /= 2;
    }

    APUS_DEVICE_METHOD u32 pair(size_t place) const {
        float scale = scales[place / group];
        return apus_to_pair(values[place] * scale, values[place + 1] * scale);
    }
};

/// Codes two to a byte, the first in the upper half, with one scale for each 64 of the flattened matrix.
struct NF4Weight {
    const u8 *codes;
    const float *scales;

    APUS_DEVICE_METHOD NF4Weight(const void *values, const float *scales, int)
        : codes((const u8 *)values), scales(scales) {}

    APUS_DEVICE_METHOD u32 pair(size_t place) const {
        u32 code = codes[place / 2];
        float scale = scales[place / 64];
        return apus_to_pair(APUS_NF4[code >> 4] * scale, APUS_NF4[code & 15] * scale);
    }
};
