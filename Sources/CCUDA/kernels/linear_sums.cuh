// What a warp sums: products of two chunks of a weight with rows, and what an adapter adds to them.
#pragma once
#include "linear_rows.cuh"

namespace linear {

using weights::Share;

/// What is added to a product, (x Aᵀ) Bᵀ.
struct Adapter {
    /// B, of bf16; null without an adapter.
    const u8 *b;
    /// x Aᵀ, [row][rank], and the sums of its leaves, [leaf][row][rank]; null where it is the product already.
    float *projected;
    const float *parts;
    int rank, leaves;
};

/// Adds a chunk's sums, times the scales of its two rows.
APUS_DEVICE void scale(float (&sums)[4], const float (&own)[4], const float (&scales)[2]) {
#pragma unroll
    for (int e = 0; e < 4; e++) sums[e] = fmaf(own[e], scales[e / 2], sums[e]);
}

/// The sum of leaves, which lie `stride` apart.
APUS_DEVICE float sum_of(const float *parts, int leaves, size_t stride) {
    float sum = 0;
#pragma unroll 8
    for (int leaf = 0; leaf < leaves; leaf++) sum += parts[leaf * stride];
    return sum;
}

/// The b of eight rows of an adapter's projection, for a product of the inputs from 16 `step` on. With `mayBeParts` leaves
/// that are still apart are summed; the sum is written where the warp `keeps` it.
template <bool mayBeParts>
APUS_DEVICE void load_projection(u32 (&b)[2], const Adapter &adapter, int rows, int firstRow, int step, bool keeps) {
    const int lane = threadIdx.x % 32, row = firstRow + lane / 4, rank = adapter.rank;
    float own[4];
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const int column = step * 16 + lane % 4 * 2 + i / 2 * 8 + i % 2;
        // Of rows that there are not nothing is kept, and what lies behind the rank meets zeros of B.
        const size_t at = (size_t)min(row, rows - 1) * rank + min(column, rank - 1);
        if (mayBeParts && adapter.parts) {
            own[i] = sum_of(adapter.parts + at, adapter.leaves, (size_t)rows * rank);
            if (keeps && row < rows && column < rank) adapter.projected[at] = own[i];
        } else {
            own[i] = adapter.projected[at];
        }
    }
    b[0] = apus_to_pair(own[0], own[1]);
    b[1] = apus_to_pair(own[2], own[3]);
}

/// A warp's sums: of 2 x 16 outputs and some times 8 rows.
template <int fragments> struct Sums {
    float values[2][fragments][4];

    APUS_DEVICE_METHOD void clear() {
#pragma unroll
        for (int m = 0; m < 2; m++) {
#pragma unroll
            for (int n = 0; n < fragments; n++) {
#pragma unroll
                for (int e = 0; e < 4; e++) values[m][n][e] = 0;
            }
        }
    }

    APUS_DEVICE_METHOD void add(const Sums &other) {
#pragma unroll
        for (int m = 0; m < 2; m++) {
#pragma unroll
            for (int n = 0; n < fragments; n++) {
#pragma unroll
                for (int e = 0; e < 4; e++) values[m][n][e] += other.values[m][n][e];
            }
        }
    }

    /// Adds the products of two chunks' outputs with rows, of inputs from the product `step` of a stage on.
    template <class Form, class Rows>
    APUS_DEVICE_METHOD void add(const u32 (&a)[2][Form::steps][4], const float (&scales)[2][2], const Rows &rows,
                                u32 stage, u32 step) {
#pragma unroll
        for (int n = 0; n < fragments; n += Rows::together) {
            if (n * 8 >= rows.rows) break;
            float own[2][Rows::together][4] = {};
#pragma unroll
            for (int s = 0; s < Form::steps; s++) {
                u32 b[2 * Rows::together];
                rows.load(b, stage, step + s, n / Rows::together);
#pragma unroll
                for (int m = 0; m < 2; m++) {
#pragma unroll
                    for (int i = 0; i < Rows::together; i++) {
                        apus_mma(Form::hasScales ? own[m][i] : values[m][n + i], a[m][s], b[2 * i], b[2 * i + 1]);
                    }
                }
            }
            if constexpr (Form::hasScales) {
#pragma unroll
                for (int m = 0; m < 2; m++) {
#pragma unroll
                    for (int i = 0; i < Rows::together; i++) scale(values[m][n + i], own[m][i], scales[m]);
                }
            }
        }
    }

    /// Adds each output's bias.
    __device__ void shift(const float *bias, int firstOutput, int outputs) {
#pragma unroll
        for (int m = 0; m < 2; m++) {
#pragma unroll
            for (int half = 0; half < 2; half++) {
                const int output = firstOutput + m * weights::rows + half * 8 + (int)threadIdx.x % 32 / 4;
                const float value = output < outputs ? bias[output] : 0.0f;
#pragma unroll
                for (int n = 0; n < fragments; n++) {
#pragma unroll
                    for (int e = 2 * half; e < 2 * half + 2; e++) values[m][n][e] += value;
                }
            }
        }
    }

    /// Adds what an adapter adds to `count` rows, whose projection is complete.
    __device__ void adapt(const Adapter &adapter, int firstOutput, int outputs, int firstRow, int count, int rows) {
        const int steps = weights::chunks_of<weights::Halves>(adapter.rank);
        weights::Cursor next[2];
#pragma unroll
        for (int m = 0; m < 2; m++) {
            const int tile = min(firstOutput / weights::rows + m, (outputs - 1) / weights::rows);
            next[m] = weights::Cursor(adapter.b + (size_t)tile * steps * weights::Halves::bytes);
        }
        for (int step = 0; step < steps; step++) {
            Share shares[2];
#pragma unroll
            for (int m = 0; m < 2; m++) next[m].load<weights::Halves>(shares[m], step);
#pragma unroll
            for (int n = 0; n < fragments; n++) {
                if (n * 8 >= count) break;
                u32 b[2];
                load_projection<false>(b, adapter, rows, firstRow + n * 8, step, false);
#pragma unroll
                for (int m = 0; m < 2; m++) apus_mma(values[m][n], shares[m].words, b[0], b[1]);
            }
        }
    }

    /// Writes the sums that are in the matrix, or adds them to what is there.
    __device__ void store(float *y, int firstOutput, int outputs, int firstRow, int rows, bool accumulates) const {
        const int lane = threadIdx.x % 32;
#pragma unroll
        for (int m = 0; m < 2; m++) {
#pragma unroll
            for (int half = 0; half < 2; half++) {
                const int output = firstOutput + m * weights::rows + half * 8 + lane / 4;
                if (output >= outputs) continue;
#pragma unroll
                for (int n = 0; n < fragments; n++) {
#pragma unroll
                    for (int e = 0; e < 2; e++) {
                        const int row = n * 8 + lane % 4 * 2 + e;
                        if (row >= rows) continue;
                        float *to = y + (size_t)(firstRow + row) * outputs + output;
                        const float sum = values[m][n][half * 2 + e];
                        *to = accumulates ? *to + sum : sum;
                    }
                }
            }
        }
    }
};

}  // namespace linear
