// Gradients of weights, of what is looked up, and the optimizer.
//
// What is summed over the rows of a batch is summed in blocks of 64 rows: each block from zero, row after row, and then
// the blocks' sums one after another. Rows that come in several calls, cut between blocks, give the same bits; so does
// a kernel that leaves the blocks' sums ("parts") in memory for apus_add_parts, so that many blocks are computed at
// once.
#pragma once
#include "rows.cuh"

namespace gradients {

using rows::Quad;

constexpr int block_rows = 64;

// MARK: Outer products

/// Rows of a tile that are in shared memory at a time.
constexpr int depth = 16;

/// A thread's quads of rows `first` ..< first + depth, of `tile` columns; zeros outside.
template <int tile>
APUS_DEVICE void load_side(const float *matrix, int first, int end, int column, int columns, Quad (&side)[tile / 64]) {
    constexpr int across = tile / 4;
    for (int q = 0; q < tile / 64; q++) {
        const int number = (int)threadIdx.x + q * rows::threads;
        const int row = first + number / across, at = column + number % across * 4;
        if (row < end && at < columns) {
            side[q] = rows::load_quad(matrix + (size_t)row * columns + at, columns - at);
        } else {
            side[q] = {{0, 0, 0, 0}};
        }
    }
}

template <int tile> APUS_DEVICE void store_side(const Quad (&side)[tile / 64], Quad *shared) {
    for (int q = 0; q < tile / 64; q++) shared[threadIdx.x + q * rows::threads] = side[q];
}

/// The tile blockIdx.x, blockIdx.y of aᵀ b, [n][k], over rows `first` ..< `end`: added to c block by block, or with
/// `is_part` written to it, which has one block then. A thread has tile / 16 values of each side, in quads that lie 64
/// apart.
///
/// A warp has two places along n and all sixteen along k; `swapped`, the other way round. Its threads skip what lies
/// outside, so the narrow side of a matrix is the one of which a warp has few places.
template <int tile, bool is_part, bool swapped>
APUS_DEVICE void outer(const float *a, const float *b, int first, int end, int n, int k, float alpha, float *c) {
    constexpr int quads = tile / 64, own = 4 * quads, across = tile / 4;
    __shared__ Quad left[2][depth * across], right[2][depth * across];
    const int i0 = (int)blockIdx.y * tile, j0 = (int)blockIdx.x * tile;
    const int slow = (int)threadIdx.x / 16, fast = (int)threadIdx.x % 16;
    const int i = swapped ? fast : slow, j = swapped ? slow : fast;
    const bool is_inside = i0 + 4 * i < n && j0 + 4 * j < k;
    float sums[own][own] = {}, totals[own][own] = {};
    if (!is_part && is_inside) {
        for (int e = 0; e < own; e++) {
            const int row = i0 + e / 4 * 64 + 4 * i + e % 4;
            for (int q = 0; q < quads; q++) {
                const int column = j0 + q * 64 + 4 * j;
                if (row >= n || column >= k) continue;
                const Quad old = rows::load_quad(c + (size_t)row * k + column, k - column);
                for (int f = 0; f < 4; f++) totals[e][q * 4 + f] = old.values[f];
            }
        }
    }
    Quad next_left[quads], next_right[quads];
    load_side<tile>(a, first, end, i0, n, next_left);
    load_side<tile>(b, first, end, j0, k, next_right);
    for (int row = first, stage = 0; row < end; row += depth, stage++) {
        // Two stages of shared memory: who writes one has seen everybody leave it, at the barrier of the other.
        const Quad *l = left[stage % 2], *r = right[stage % 2];
        store_side<tile>(next_left, left[stage % 2]);
        store_side<tile>(next_right, right[stage % 2]);
        __syncthreads();
        if (row + depth < end) {
            load_side<tile>(a, row + depth, end, i0, n, next_left);
            load_side<tile>(b, row + depth, end, j0, k, next_right);
        }
        if (!is_inside) continue;
#pragma unroll
        for (int d = 0; d < depth; d++) {
            Quad x[quads], y[quads];
            for (int q = 0; q < quads; q++) {
                x[q] = l[d * across + q * 16 + i];
                y[q] = r[d * across + q * 16 + j];
            }
            for (int e = 0; e < own; e++) {
                for (int f = 0; f < own; f++) {
                    sums[e][f] = fmaf(x[e / 4].values[e % 4], y[f / 4].values[f % 4], sums[e][f]);
                }
            }
        }
        if constexpr (!is_part) {
            if (stage % (block_rows / depth) != block_rows / depth - 1 && row + depth < end) continue;
            for (int e = 0; e < own; e++) {
                for (int f = 0; f < own; f++) {
                    totals[e][f] = fmaf(alpha, sums[e][f], totals[e][f]);
                    sums[e][f] = 0;
                }
            }
        }
    }
    if (!is_inside) return;
    for (int e = 0; e < own; e++) {
        const int row = i0 + e / 4 * 64 + 4 * i + e % 4;
        for (int q = 0; q < quads; q++) {
            const int column = j0 + q * 64 + 4 * j;
            if (row >= n || column >= k) continue;
            const float(&from)[own] = is_part ? sums[e] : totals[e];
            const Quad result = {{from[q * 4], from[q * 4 + 1], from[q * 4 + 2], from[q * 4 + 3]}};
            rows::store_quad(c + (size_t)row * k + column, k - column, result);
        }
    }
}

/// The sums of block blockIdx.z of the rows, [n][k].
template <bool swapped>
APUS_DEVICE void outer_parts(const float *a, const float *b, int rows, int n, int k, float *parts) {
    const int first = (int)blockIdx.z * block_rows;
    outer<64, true, swapped>(a, b, first, min(first + block_rows, rows), n, k, 1, parts + (size_t)blockIdx.z * n * k);
}

// MARK: Columns

/// The sum of each column over a block of rows: of x, or of x · dy · inverse. A warp has 32 columns of a block.
template <bool is_gain>
APUS_DEVICE void column_parts(const float *x, const float *dy, const float *inverses, int rows, int columns,
                              float *parts) {
    const u32 tiles = ((u32)columns + 31) / 32;
    const u32 number = blockIdx.x * rows::warps + threadIdx.x / 32;
    const int block = (int)(number / tiles), column = (int)(number % tiles * 32 + threadIdx.x % 32);
    const int first = block * block_rows, end = min(first + block_rows, rows);
    if (first >= rows || column >= columns) return;
    float sum = 0;
#pragma unroll 8
    for (int row = first; row < end; row++) {
        const size_t at = (size_t)row * columns + column;
        sum = is_gain ? fmaf(dy[at] * x[at], inverses[row], sum) : sum + x[at];
    }
    parts[(size_t)block * columns + column] = sum;
}

// MARK: Look-ups

/// destination's element (index, column) lies at index · index_stride + column · column_stride; a block adds to those
/// of one index, in 1024 columns. It belongs to the first row that has the index and goes through the later ones in
/// order: no two blocks meet in an element, and most indices come once.
APUS_DEVICE void scatter_add(const float *source, const int *indices, int rows, int columns, float *destination,
                             long long index_stride, long long column_stride) {
    constexpr int own = 4;
    __shared__ u32 votes[rows::warps];
    const int self = (int)blockIdx.x, index = indices[self], warp = (int)threadIdx.x / 32;
    bool came_before = false;
    for (int row = (int)threadIdx.x; row < self; row += rows::threads) came_before |= indices[row] == index;
    const u32 vote = __ballot_sync(APUS_WARP, came_before);
    if (threadIdx.x % 32 == 0) votes[warp] = vote;
    __syncthreads();
    u32 any = 0;
    for (int w = 0; w < rows::warps; w++) any |= votes[w];
    if (any) return;
    float *to = destination + index * index_stride;
    const int first = (int)blockIdx.y * own * rows::threads + (int)threadIdx.x;
    float sums[own];
    for (int e = 0; e < own; e++) {
        const int column = first + e * rows::threads;
        if (column < columns) sums[e] = to[column * column_stride] + source[(size_t)self * columns + column];
    }
    for (int begin = self + 1; begin < rows; begin += rows::threads) {
        const int row = begin + (int)threadIdx.x;
        const u32 same = __ballot_sync(APUS_WARP, row < rows && indices[row] == index);
        __syncthreads();
        if (threadIdx.x % 32 == 0) votes[warp] = same;
        __syncthreads();
        for (int w = 0; w < rows::warps; w++) {
            for (u32 left = votes[w]; left != 0; left &= left - 1) {
                const float *from = source + (size_t)(begin + 32 * w + __ffs((int)left) - 1) * columns;
                for (int e = 0; e < own; e++) {
                    const int column = first + e * rows::threads;
                    if (column < columns) sums[e] += from[column];
                }
            }
        }
    }
    for (int e = 0; e < own; e++) {
        const int column = first + e * rows::threads;
        if (column < columns) to[column * column_stride] = sums[e];
    }
}

}  // namespace gradients

// MARK: Outer products

/// c += alpha · aᵀ b, for a [rows][n] and b [rows][k]. A block has 128 x 128 of c: for many tiles.
extern "C" __global__ void __launch_bounds__(256)
apus_outer_128(const float *a, const float *b, int rows, int n, int k, float alpha, float *c) {
    gradients::outer<128, false, false>(a, b, 0, rows, n, k, alpha, c);
}
APUS_EXPORT(apus_outer_128)

/// The same, 64 x 64 a block.
extern "C" __global__ void __launch_bounds__(256)
apus_outer_64(const float *a, const float *b, int rows, int n, int k, float alpha, float *c) {
    gradients::outer<64, false, false>(a, b, 0, rows, n, k, alpha, c);
}
APUS_EXPORT(apus_outer_64)

/// parts = aᵀ b for each block of 64 rows, [block][n][k]: for few tiles. Rows of n are as narrow as those of k, or
/// narrower.
extern "C" __global__ void __launch_bounds__(256)
apus_outer_parts(const float *a, const float *b, int rows, int n, int k, float *parts) {
    gradients::outer_parts<false>(a, b, rows, n, k, parts);
}
APUS_EXPORT(apus_outer_parts)

/// The same where rows of k are narrower.
extern "C" __global__ void __launch_bounds__(256)
apus_outer_parts_swapped(const float *a, const float *b, int rows, int n, int k, float *parts) {
    gradients::outer_parts<true>(a, b, rows, n, k, parts);
}
APUS_EXPORT(apus_outer_parts_swapped)

/// sums += alpha · parts, one part of `count` values after another.
extern "C" __global__ void __launch_bounds__(256)
apus_add_parts(const float *parts, int number, long long count, float alpha, float *sums) {
    const long long i = (long long)blockIdx.x * rows::threads + threadIdx.x;
    if (i >= count) return;
    float sum = sums[i];
#pragma unroll 8
    for (int part = 0; part < number; part++) sum = fmaf(alpha, parts[part * count + i], sum);
    sums[i] = sum;
}
APUS_EXPORT(apus_add_parts)

// MARK: Columns

/// The sum of x's columns for each block of 64 rows, [block][columns].
extern "C" __global__ void __launch_bounds__(256)
apus_column_parts(const float *x, int rows, int columns, float *parts) {
    gradients::column_parts<false>(x, nullptr, nullptr, rows, columns, parts);
}
APUS_EXPORT(apus_column_parts)

/// The gradient of RMSNorm's gain for each block of 64 rows, [block][columns].
extern "C" __global__ void __launch_bounds__(256)
apus_gain_parts(const float *x, const float *dy, const float *inverses, int rows, int columns, float *parts) {
    gradients::column_parts<true>(x, dy, inverses, rows, columns, parts);
}
APUS_EXPORT(apus_gain_parts)

// MARK: Look-ups

/// destination[indices[i]] += source[i], in ascending i.
extern "C" __global__ void __launch_bounds__(256)
apus_scatter_add(const float *source, const int *indices, int rows, int columns, float *destination) {
    gradients::scatter_add(source, indices, rows, columns, destination, columns, 1);
}
APUS_EXPORT(apus_scatter_add)

/// The column indices[i] of destination, [columns][length], += source[i], in ascending i.
extern "C" __global__ void __launch_bounds__(256)
apus_scatter_add_columns(const float *source, const int *indices, int rows, int columns, float *destination,
                         int length) {
    gradients::scatter_add(source, indices, rows, columns, destination, 1, length);
}
APUS_EXPORT(apus_scatter_add_columns)

// MARK: Optimizer

/// Σ x² of each 4096 values.
extern "C" __global__ void __launch_bounds__(256) apus_square_parts(const float *x, long long count, double *parts) {
    __shared__ double sums[rows::warps];
    double sum = 0;
    for (int q = 0; q < 4; q++) {
        const long long first = (long long)blockIdx.x * 4096 + 4 * (q * rows::threads + (int)threadIdx.x);
        const rows::Quad quad = rows::load_quad(x + first, count - first);
        // The square of an fp32 number is exact in double.
        for (int k = 0; k < 4; k++) sum += (double)quad.values[k] * (double)quad.values[k];
    }
    sum = apus_block_sum(sum, sums);
    if (threadIdx.x == 0) parts[blockIdx.x] = sum;
}
APUS_EXPORT(apus_square_parts)

/// The sum of `count` parts, in one block.
extern "C" __global__ void __launch_bounds__(256) apus_sum_parts(const double *parts, int count, double *result) {
    __shared__ double sums[rows::warps];
    double sum = 0;
    for (int i = (int)threadIdx.x; i < count; i += rows::threads) sum += parts[i];
    sum = apus_block_sum(sum, sums);
    if (threadIdx.x == 0) *result = sum;
}
APUS_EXPORT(apus_sum_parts)

/// One AdamW step, as torch's fused one does it. Every product and sum is rounded by itself.
extern "C" __global__ void __launch_bounds__(256)
apus_adamw(float *parameters, float *first_moment, float *second_moment, const float *gradients, long long count,
           float decay, float first_weight, float second_decay, float second_weight, float step_size,
           float denominator_scale, float epsilon) {
    const long long first = rows::flat_quad(), left = count - first;
    if (left <= 0) return;
    rows::Quad p = rows::load_quad(parameters + first, left), m = rows::load_quad(first_moment + first, left);
    rows::Quad v = rows::load_quad(second_moment + first, left);
    const rows::Quad gradient = rows::load_quad(gradients + first, left);
    for (int k = 0; k < 4; k++) {
        const float g = gradient.values[k], difference = __fsub_rn(g, m.values[k]);
        // torch's lerp: past one half it starts from the other end, so that weight 1 gives the gradient exactly.
        m.values[k] = first_weight < 0.5f ? fmaf(first_weight, difference, m.values[k])
                                          : fmaf(first_weight - 1.0f, difference, g);
        v.values[k] = __fadd_rn(__fmul_rn(v.values[k], second_decay), __fmul_rn(__fmul_rn(second_weight, g), g));
        const float denominator = __fadd_rn(__fdiv_rn(__fsqrt_rn(v.values[k]), denominator_scale), epsilon);
        const float step = __fdiv_rn(__fmul_rn(step_size, m.values[k]), denominator);
        p.values[k] = __fsub_rn(__fmul_rn(p.values[k], decay), step);
    }
    rows::store_quad(parameters + first, left, p);
    rows::store_quad(first_moment + first, left, m);
    rows::store_quad(second_moment + first, left, v);
}
APUS_EXPORT(apus_adamw)
