// What comes after the products of a call: sums of leaves, in their order, and adapters, y += (x Aᵀ) Bᵀ.
#pragma once
#include "linear.cuh"

namespace linear {

/// A product whose leaves lie apart, or that has an adapter, or both.
struct Finish {
    /// The product, [row][output]; null where only the projection is wanted.
    float *y;
    /// [leaf][row][output], of which y becomes the sum; null where y is the product already.
    const float *parts;
    const float *bias;
    /// B, of bf16; null without an adapter.
    const u8 *b;
    /// x Aᵀ, [row][rank], and its leaves; null where it is the product already.
    float *projected;
    const float *projectedParts;
    int outputs, leaves, rank, projectedLeaves;
    /// Blocks of this product and those before.
    int end;
};

/// A launch: its grid is the blocks of all products by eight rows; a warp has 16 outputs.
struct FinishCall {
    int rows;
    Finish products[mostProducts / 2];
};

/// The sum of leaves, which lie `stride` apart.
APUS_DEVICE float sum_of(const float *parts, int leaves, size_t stride) {
    float sum = 0;
#pragma unroll 8
    for (int leaf = 0; leaf < leaves; leaf++) sum += parts[leaf * stride];
    return sum;
}

/// A lane's value of the projection; it is written where the lane's warp `keeps` it.
APUS_DEVICE float projection(const Finish &finish, int rows, int row, int column, bool keeps) {
    if (row >= rows || column >= finish.rank) return 0.0f;
    const size_t at = (size_t)row * finish.rank + column;
    if (!finish.projectedParts) return finish.projected[at];
    const float sum = sum_of(finish.projectedParts + at, finish.projectedLeaves, (size_t)rows * finish.rank);
    if (keeps) finish.projected[at] = sum;
    return sum;
}

}  // namespace linear

extern "C" __global__ void __launch_bounds__(256) apus_linear_finish(APUS_PARAMETER(linear::FinishCall) call) {
    int number = 0, begin = 0;
    while ((int)blockIdx.x >= call.products[number].end) begin = call.products[number++].end;
    const linear::Finish &finish = call.products[number];
    const int tile = ((int)blockIdx.x - begin) * (int)(blockDim.x / 32) + (int)threadIdx.x / 32;
    const int firstOutput = tile * weights::rows, firstRow = (int)blockIdx.y * 8, lane = threadIdx.x % 32;
    if (tile > 0 && firstOutput >= finish.outputs) return;
    float added[4] = {};
    if (finish.b) {
        const int steps = weights::chunks_of<weights::Halves>(finish.rank), row = firstRow + lane / 4;
        weights::Cursor next(finish.b + (size_t)tile * steps * weights::Halves::bytes);
        for (int step = 0; step < steps; step++) {
            float own[4];
            for (int i = 0; i < 4; i++) {
                const int column = step * 16 + lane % 4 * 2 + i / 2 * 8 + i % 2;
                own[i] = linear::projection(finish, call.rows, row, column, tile == 0);
            }
            if (!finish.y) continue;
            weights::Share share;
            next.load<weights::Halves>(share, step);
            apus_mma(added, share.words, apus_to_pair(own[0], own[1]), apus_to_pair(own[2], own[3]));
        }
    }
    if (!finish.y) return;
    for (int i = 0; i < 4; i++) {
        const int output = firstOutput + lane / 4 + i / 2 * 8, row = firstRow + lane % 4 * 2 + i % 2;
        if (output >= finish.outputs || row >= call.rows) continue;
        const size_t at = (size_t)row * finish.outputs + output;
        float sum = finish.parts ? linear::sum_of(finish.parts + at, finish.leaves, (size_t)call.rows * finish.outputs)
                                 : finish.y[at];
        if (finish.parts && finish.bias) sum += finish.bias[output];
        finish.y[at] = finish.b ? sum + added[i] : sum;
    }
}
APUS_EXPORT(apus_linear_finish)
