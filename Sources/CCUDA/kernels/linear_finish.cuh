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

}  // namespace linear

extern "C" __global__ void __launch_bounds__(256) apus_linear_finish(APUS_PARAMETER(linear::FinishCall) call) {
    int number = 0, begin = 0;
    while ((int)blockIdx.x >= call.products[number].end) begin = call.products[number++].end;
    const linear::Finish &finish = call.products[number];
    const int tile = ((int)blockIdx.x - begin) * (int)(blockDim.x / 32) + (int)threadIdx.x / 32;
    const int firstOutput = tile * weights::rows, firstRow = (int)blockIdx.y * 8, lane = threadIdx.x % 32;
    if (tile > 0 && firstOutput >= finish.outputs) return;
    float added[4] = {};
    if (finish.adapter.b) {
        linear::adapt(added, finish.adapter, tile, firstRow, call.rows, tile == 0, finish.y != nullptr);
    }
    if (!finish.y) return;
    for (int i = 0; i < 4; i++) {
        const int output = firstOutput + lane / 4 + i / 2 * 8, row = firstRow + lane % 4 * 2 + i % 2;
        if (output >= finish.outputs || row >= call.rows) continue;
        const size_t at = (size_t)row * finish.outputs + output;
        float sum = finish.parts ? linear::sum_of(finish.parts + at, finish.leaves, (size_t)call.rows * finish.outputs)
                                 : finish.y[at];
        if (finish.parts && finish.bias) sum += finish.bias[output];
        finish.y[at] = finish.adapter.b ? sum + added[i] : sum;
    }
}
APUS_EXPORT(apus_linear_finish)
