// Products of rows with a weight, in both directions: y = x Wᵀ and dx = dy W, for every way to hold W.
//
// Beside fp32 weights everything is fp32. Otherwise operands are bf16 on the tensor cores with fp32 sums: rows are rounded on
// their way into shared memory, weights are unpacked there, so that a product of 4-bit weights is that of the bf16 weights
// which they stand for. An output is one sum over the inner dimension in ascending order, whatever the number of rows.
#pragma once
#include "weights.cuh"

// MARK: Tensor cores

/// Rows, columns and depth of a block's tile; four warps, each 16 rows of it.
static const int LINEAR_TILE = 64;
/// Values in a row of a tile in shared memory. Eight more than it has: rows begin in different banks, on 16 bytes.
static const int LINEAR_STRIDE = LINEAR_TILE + 8;
static const int LINEAR_THREADS = 128;

/// Rounds a tile of fp32 rows into shared memory; zeros outside the matrix.
APUS_DEVICE void linear_load_rows(bf16 *tile, const float *x, int firstRow, int rows, int firstColumn, int columns) {
    for (int index = threadIdx.x; index < LINEAR_TILE * LINEAR_TILE / 2; index += LINEAR_THREADS) {
        int row = index / (LINEAR_TILE / 2), column = index % (LINEAR_TILE / 2) * 2;
        bool inside = firstRow + row < rows;
        const float *from = x + (size_t)(firstRow + row) * columns + firstColumn + column;
        float first = inside && firstColumn + column < columns ? from[0] : 0.f;
        float second = inside && firstColumn + column + 1 < columns ? from[1] : 0.f;
        *(u32 *)(tile + row * LINEAR_STRIDE + column) = apus_to_pair(first, second);
    }
}

/// Unpacks a tile of a weight into shared memory, [output][input]; zeros outside the matrix.
template <class Weight>
APUS_DEVICE void linear_load_weight(bf16 *tile, Weight weight, int firstOutput, int outputs, int firstInput, int inputs) {
    for (int index = threadIdx.x; index < LINEAR_TILE * LINEAR_TILE / 2; index += LINEAR_THREADS) {
        int row = index / (LINEAR_TILE / 2), column = index % (LINEAR_TILE / 2) * 2;
        // The number of inputs is even: a pair lies inside or outside.
        bool inside = firstOutput + row < outputs && firstInput + column < inputs;
        *(u32 *)(tile + row * LINEAR_STRIDE + column) =
            inside ? weight.pair((size_t)(firstOutput + row) * inputs + firstInput + column) : 0u;
    }
}

/// The address of a lane's row for `apus_ldmatrix` of a 16 x 16 part of a tile: the rows of the left half, then of the right.
APUS_DEVICE u32 linear_rows_address(const bf16 *tile, int row, int lane) {
    return apus_shared_address(tile + (row + (lane & 15)) * LINEAR_STRIDE + (lane >> 4) * 8);
}

/// The same of two groups of 8 rows beside each other, each with both halves of its columns.
APUS_DEVICE u32 linear_columns_address(const bf16 *tile, int lane) {
    return apus_shared_address(tile + ((lane & 7) + (lane >> 4 << 3)) * LINEAR_STRIDE + (lane >> 3 & 1) * 8);
}

/// Writes or adds a warp's sums, 16 rows of 64 columns.
APUS_DEVICE void linear_store(
    const float (&sums)[8][4], float *y, const float *bias, int firstRow, int rows, int firstColumn, int columns,
    int accumulates) {
    const int lane = threadIdx.x & 31;
    for (int part = 0; part < 8; part++) {
        for (int element = 0; element < 4; element++) {
            int row = firstRow + lane / 4 + (element >> 1) * 8;
            int column = firstColumn + part * 8 + lane % 4 * 2 + (element & 1);
            if (row >= rows || column >= columns) continue;
            float *to = y + (size_t)row * columns + column;
            float sum = sums[part][element];
            if (bias) sum += bias[column];
            *to = accumulates ? *to + sum : sum;
        }
    }
}

/// A block's 64 x 64 values of y = x Wᵀ (+ bias) or, backwards, of y = x W; or what is added to y.
template <bool isBackward, class Weight>
APUS_DEVICE void linear_product(
    const float *x, Weight weight, const float *bias, float *y, int rows, int outputs, int inputs, int accumulates) {
    APUS_DYNAMIC_SHARED(bf16, xTile);
    bf16 *weightTile = xTile + LINEAR_TILE * LINEAR_STRIDE;
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    const int columns = isBackward ? inputs : outputs, depth = isBackward ? outputs : inputs;
    const int firstColumn = blockIdx.x * LINEAR_TILE, firstRow = blockIdx.y * LINEAR_TILE;
    const u32 xAddress = linear_rows_address(xTile, warp * 16, lane);
    // Backwards the weight's rows are the inner dimension: its matrices are taken transposed.
    const u32 weightAddress =
        isBackward ? linear_rows_address(weightTile, 0, lane) : linear_columns_address(weightTile, lane);
    float sums[8][4] = {};
    for (int first = 0; first < depth; first += LINEAR_TILE) {
        linear_load_rows(xTile, x, firstRow, rows, first, depth);
        linear_load_weight(
            weightTile, weight, isBackward ? first : firstColumn, outputs, isBackward ? firstColumn : first, inputs);
        __syncthreads();
#pragma unroll
        for (int step = 0; step < LINEAR_TILE / 16; step++) {
            u32 a[4];
            apus_ldmatrix(a, xAddress + step * 32);
#pragma unroll
            for (int part = 0; part < 4; part++) {
                const int row = isBackward ? step : part, column = isBackward ? part : step;
                const u32 address = weightAddress + row * 16 * LINEAR_STRIDE * 2 + column * 32;
                u32 b[4];
                if (isBackward) {
                    apus_ldmatrix_transposed(b, address);
                } else {
                    apus_ldmatrix(b, address);
                }
                apus_mma(sums[2 * part], a, b[0], b[1]);
                apus_mma(sums[2 * part + 1], a, b[2], b[3]);
            }
        }
        __syncthreads();
    }
    linear_store(sums, y, bias, firstRow + warp * 16, rows, firstColumn, columns, accumulates);
}

// MARK: fp32

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

// MARK: Kernels

/// Grid: 64 outputs (32 of fp32) by as many rows. Shared memory beside weights that are not fp32: two tiles of bf16.
#define APUS_LINEAR(kind, Weight)                                                                                   \
    extern "C" __global__ void __launch_bounds__(LINEAR_THREADS) apus_linear_##kind(                                \
        const float *x, const void *values, const float *scales, const float *bias, float *y, int rows, int outputs, \
        int inputs, int accumulates) {                                                                              \
        linear_product<false>(x, Weight(values, scales, inputs), bias, y, rows, outputs, inputs, accumulates);      \
    }                                                                                                               \
    APUS_EXPORT(apus_linear_##kind)                                                                                 \
    extern "C" __global__ void __launch_bounds__(LINEAR_THREADS) apus_linear_backward_##kind(                       \
        const float *dy, const void *values, const float *scales, float *dx, int rows, int outputs, int inputs,     \
        int accumulates) {                                                                                          \
        linear_product<true>(dy, Weight(values, scales, inputs), nullptr, dx, rows, outputs, inputs, accumulates);   \
    }                                                                                                               \
    APUS_EXPORT(apus_linear_backward_##kind)

APUS_LINEAR(bf16, BF16Weight)
APUS_LINEAR(int8, Int8Weight)
APUS_LINEAR(nf4, NF4Weight)

extern "C" __global__ void __launch_bounds__(EXACT_THREADS) apus_linear_f32(
    const float *x, const void *values, const float *, const float *bias, float *y, int rows, int outputs, int inputs,
    int accumulates) {
    linear_exact(x, (const float *)values, inputs, 1, bias, y, rows, outputs, inputs, accumulates);
}
APUS_EXPORT(apus_linear_f32)

extern "C" __global__ void __launch_bounds__(EXACT_THREADS) apus_linear_backward_f32(
    const float *dy, const void *values, const float *, float *dx, int rows, int outputs, int inputs, int accumulates) {
    linear_exact(dy, (const float *)values, 1, inputs, nullptr, dx, rows, inputs, outputs, accumulates);
}
APUS_EXPORT(apus_linear_backward_f32)
