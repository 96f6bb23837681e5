// Products of rows with weights of fp32, in both directions, in fp32: an output is one sum over the inner dimension in
// ascending order.
#pragma once
#include "dialect.h"

static const int EXACT_TILE = 32;
static const int EXACT_DEPTH = 16;
static const int EXACT_THREADS = 256;

/// A block's 32 x 32 outputs of y = a b with a [rows][depth] and b found by its strides, in fp32; each thread has four rows
/// of a column.
APUS_DEVICE void linear_exact(
    const float *a, const float *b, size_t columnStride, size_t depthStride, const float *bias, float *y, int rows,
    int columns, int depth, int accumulates) {
    __shared__ float aTile[EXACT_TILE][EXACT_DEPTH + 1];
    __shared__ float bTile[EXACT_DEPTH][EXACT_TILE + 1];
    const int column = threadIdx.x % EXACT_TILE, firstOwnRow = threadIdx.x / EXACT_TILE * 4;
    const int firstColumn = blockIdx.x * EXACT_TILE, firstRow = blockIdx.y * EXACT_TILE;
    float sums[4] = {};
    for (int first = 0; first < depth; first += EXACT_DEPTH) {
        for (int index = threadIdx.x; index < EXACT_TILE * EXACT_DEPTH; index += EXACT_THREADS) {
            int row = index / EXACT_DEPTH, k = index % EXACT_DEPTH;
            bool inside = firstRow + row < rows && first + k < depth;
            aTile[row][k] = inside ? a[(size_t)(firstRow + row) * depth + first + k] : 0.f;
            // Whichever of the two dimensions lies side by side is read so.
            int c = depthStride == 1 ? index / EXACT_DEPTH : index % EXACT_TILE;
            int l = depthStride == 1 ? index % EXACT_DEPTH : index / EXACT_TILE;
            inside = firstColumn + c < columns && first + l < depth;
            bTile[l][c] = inside ? b[(firstColumn + c) * columnStride + (first + l) * depthStride] : 0.f;
        }
        __syncthreads();
        for (int k = 0; k < EXACT_DEPTH; k++) {
            for (int row = 0; row < 4; row++) sums[row] = fmaf(aTile[firstOwnRow + row][k], bTile[k][column], sums[row]);
        }
        __syncthreads();
    }
    for (int row = 0; row < 4; row++) {
        if (firstRow + firstOwnRow + row >= rows || firstColumn + column >= columns) continue;
        float *to = y + (size_t)(firstRow + firstOwnRow + row) * columns + firstColumn + column;
        float sum = bias ? sums[row] + bias[firstColumn + column] : sums[row];
        *to = accumulates ? *to + sum : sum;
    }
}

extern "C" __global__ void __launch_bounds__(EXACT_THREADS) apus_linear_f32(
    const float *x, const float *weight, const float *bias, float *y, int rows, int outputs, int inputs,
    int accumulates) {
    linear_exact(x, weight, inputs, 1, bias, y, rows, outputs, inputs, accumulates);
}
APUS_EXPORT(apus_linear_f32)

extern "C" __global__ void __launch_bounds__(EXACT_THREADS) apus_linear_backward_f32(
    const float *dy, const float *weight, const float *, float *dx, int rows, int outputs, int inputs, int accumulates) {
    linear_exact(dy, weight, 1, inputs, nullptr, dx, rows, inputs, outputs, accumulates);
}
APUS_EXPORT(apus_linear_backward_f32)
