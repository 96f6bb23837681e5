// What comes after the products of a call: sums of leaves, in their order, and adapters.
#pragma once
#include "linear.cuh"

namespace linear {

/// A product whose leaves lie apart, or that has an adapter, or both.
struct Finish {
    /// The product, [row][output]; null where only the projection is wanted.
    float *y;
    /// [leaf][row][output], of which y becomes the sum with the bias; null where y is the product already.
    const float *parts;
    const float *bias;
    Adapter adapter;
    int outputs, leaves;
    /// Blocks of this product and those before.
    int end;
};

/// A launch: its grid is the blocks of all products by eight rows; a warp has 16 outputs.
struct FinishCall {
    int rows;
    Finish products[mostProducts / 2];
};

static_assert(sizeof(Finish) == 72 && sizeof(FinishCall) == 8 + mostProducts / 2 * sizeof(Finish), "another layout");

}  // namespace linear

extern "C" __global__ void __launch_bounds__(256) apus_linear_finish(APUS_PARAMETER(linear::FinishCall) call) {
    int begin;
    const linear::Finish &finish = linear::item_of_block(call.products, begin);
    const int tile = ((int)blockIdx.x - begin) * (int)(blockDim.x / 32) + (int)threadIdx.x / 32;
    const int firstOutput = tile * weights::rows, firstRow = (int)blockIdx.y * 8, lane = threadIdx.x % 32;
    if (tile > 0 && firstOutput >= finish.outputs) return;
    // The sums lie as apus_mma has them: an adapter's products are added to them, as they are in tiles.
    float sums[4] = {};
    const auto place = [&](int i) -> float * {
        const int output = firstOutput + lane / 4 + i / 2 * 8, row = firstRow + lane % 4 * 2 + i % 2;
        const bool isInside = finish.y && output < finish.outputs && row < call.rows;
        return isInside ? finish.y + (size_t)row * finish.outputs + output : nullptr;
    };
    for (int i = 0; i < 4; i++) {
        const float *y = place(i);
        if (!y) continue;
        if (!finish.parts) {
            sums[i] = *y;
            continue;
        }
        sums[i] = linear::sum_of(finish.parts + (y - finish.y), finish.leaves, (size_t)call.rows * finish.outputs);
        if (finish.bias) sums[i] += finish.bias[(y - finish.y) % finish.outputs];
    }
    if (finish.adapter.b) {
        const int steps = weights::chunks_of<weights::Halves>(finish.adapter.rank);
        const weights::Cursor next(finish.adapter.b + (size_t)tile * steps * weights::Halves::bytes);
        for (int step = 0; step < steps; step++) {
            u32 b[2];
            linear::load_projection<true>(b, finish.adapter, call.rows, firstRow, step, tile == 0);
            if (!finish.y) continue;
            weights::Share share;
            next.load<weights::Halves>(share, step);
            apus_mma(sums, share.words, b[0], b[1]);
        }
    }
    for (int i = 0; i < 4; i++) {
        if (float *y = place(i)) *y = sums[i];
    }
}
APUS_EXPORT(apus_linear_finish)
