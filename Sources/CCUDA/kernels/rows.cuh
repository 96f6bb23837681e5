// Operations on rows: sums, norms, gates, rotations, look-ups and stretches of columns.
//
// Threads work on quads, four neighbouring values, which are moved at once where they lie on a multiple of 16 bytes.
// Which values a thread has does not depend on where they lie, and so neither does the order of a sum.
#pragma once
#include "dialect.h"
#include "reduce.cuh"

namespace rows {

constexpr int threads = 256;
constexpr int warps = threads / 32;

// MARK: Quads

struct __align__(16) Quad {
    float values[4];
};

APUS_DEVICE bool is_aligned(const void *address) { return ((size_t)address & 15) == 0; }

/// The quad at an address where `left` values are left; what is missing is 0. A whole one needs no look at either.
template <bool whole = false> APUS_DEVICE Quad load_quad(const float *from, long long left) {
    if constexpr (whole) {
        return *reinterpret_cast<const Quad *>(from);
    } else {
        if (left >= 4 && is_aligned(from)) return load_quad<true>(from, left);
        Quad quad;
        for (int k = 0; k < 4; k++) quad.values[k] = k < left ? from[k] : 0.0f;
        return quad;
    }
}

template <bool whole = false> APUS_DEVICE void store_quad(float *to, long long left, const Quad &quad) {
    if constexpr (whole) {
        *reinterpret_cast<Quad *>(to) = quad;
    } else {
        if (left >= 4 && is_aligned(to)) return store_quad<true>(to, left, quad);
        for (int k = 0; k < 4; k++) {
            if (k < left) to[k] = quad.values[k];
        }
    }
}

/// The first value of a thread's quad in a buffer that is seen as one row.
APUS_DEVICE long long flat_quad() { return 4 * ((long long)blockIdx.x * threads + threadIdx.x); }

/// A lane's quad of a matrix: each warp has 128 columns of a row.
struct Place {
    int row, column;
    bool is_inside;
};

APUS_DEVICE Place place_of_quad(int rows, int columns) {
    const u32 stretches = ((u32)columns + 127) / 128;
    const u32 number = blockIdx.x * warps + threadIdx.x / 32;
    const u32 row = number / stretches;
    const int column = (int)((number - row * stretches) * 128 + threadIdx.x % 32 * 4);
    return {(int)row, column, row < (u32)rows && column < columns};
}

// MARK: Norms

/// The sums of what the threads of a row have, the same to the bit in each of them. So many threads have one row: a
/// warp or, where `lanes` says so, the block.
template <int count> APUS_DEVICE void sum_over_row(float (&sums)[count], int lanes) {
    __shared__ float parts[warps];
    for (int s = 0; s < count; s++) sums[s] = lanes == 32 ? apus_warp_sum(sums[s]) : apus_block_sum(sums[s], parts);
}

APUS_DEVICE int row_of_thread(int lanes) {
    return lanes == 32 ? (int)(blockIdx.x * warps + threadIdx.x / 32) : (int)blockIdx.x;
}

APUS_DEVICE float inverse_root_mean(float sum, int width, float epsilon) {
    return 1.0f / sqrtf(sum / (float)width + epsilon);
}

/// Whether every quad of a row is whole and can be moved at once, in all of its matrices.
APUS_DEVICE bool is_whole(int width, const float *a, const float *b, const float *c, const float *d) {
    return (((size_t)a | (size_t)b | (size_t)c | (size_t)d | (size_t)width * 4) & 15) == 0;
}

template <bool adds, bool whole>
APUS_DEVICE void norm_row(float *x, const float *d, const float *gain, float epsilon, float *y, int width, int lanes) {
    const int first = 4 * ((int)threadIdx.x & (lanes - 1));
    float sums[1] = {0};
#pragma unroll 4
    for (int i = first; i < width; i += 4 * lanes) {
        Quad value = load_quad<whole>(x + i, width - i);
        if (adds) {
            const Quad delta = load_quad<whole>(d + i, width - i);
            for (int k = 0; k < 4; k++) value.values[k] += delta.values[k];
            store_quad<whole>(x + i, width - i, value);
        }
        for (int k = 0; k < 4; k++) sums[0] = fmaf(value.values[k], value.values[k], sums[0]);
    }
    sum_over_row(sums, lanes);
    const float inverse = inverse_root_mean(sums[0], width, epsilon);
#pragma unroll 4
    for (int i = first; i < width; i += 4 * lanes) {
        Quad value = load_quad<whole>(x + i, width - i);
        const Quad factor = load_quad<whole>(gain + i, width - i);
        for (int k = 0; k < 4; k++) value.values[k] = value.values[k] * inverse * factor.values[k];
        store_quad<whole>(y + i, width - i, value);
    }
}

/// Where nothing is added, `d` is `x`.
template <bool adds>
APUS_DEVICE void norm(float *x, const float *d, const float *gain, float epsilon, float *y, int rows, int width,
                      int lanes) {
    const int row = row_of_thread(lanes);
    if (row >= rows) return;
    const size_t begin = (size_t)row * width;
    if (is_whole(width, x + begin, d + begin, y + begin, gain)) {
        norm_row<adds, true>(x + begin, d + begin, gain, epsilon, y + begin, width, lanes);
    } else {
        norm_row<adds, false>(x + begin, d + begin, gain, epsilon, y + begin, width, lanes);
    }
}

/// With r = 1 / rms(x) and g = gain · dy: dx += r (g - x · (g · x) · r² / width).
template <bool whole>
APUS_DEVICE void norm_backward_row(const float *x, const float *gain, float epsilon, const float *dy, float *dx,
                                   int width, int lanes) {
    const int first = 4 * ((int)threadIdx.x & (lanes - 1));
    float sums[2] = {0, 0};
#pragma unroll 2
    for (int i = first; i < width; i += 4 * lanes) {
        const Quad value = load_quad<whole>(x + i, width - i), slope = load_quad<whole>(dy + i, width - i);
        const Quad factor = load_quad<whole>(gain + i, width - i);
        for (int k = 0; k < 4; k++) {
            sums[0] = fmaf(value.values[k], value.values[k], sums[0]);
            sums[1] = fmaf(factor.values[k] * slope.values[k], value.values[k], sums[1]);
        }
    }
    sum_over_row(sums, lanes);
    const float inverse = inverse_root_mean(sums[0], width, epsilon);
    const float along = sums[1] * inverse * inverse / (float)width;
#pragma unroll 2
    for (int i = first; i < width; i += 4 * lanes) {
        const Quad value = load_quad<whole>(x + i, width - i), slope = load_quad<whole>(dy + i, width - i);
        const Quad factor = load_quad<whole>(gain + i, width - i);
        Quad sum = load_quad<whole>(dx + i, width - i);
        for (int k = 0; k < 4; k++) {
            const float across = fmaf(value.values[k], -along, factor.values[k] * slope.values[k]);
            sum.values[k] = fmaf(across, inverse, sum.values[k]);
        }
        store_quad<whole>(dx + i, width - i, sum);
    }
}

// MARK: Gates

/// What the activation multiplies x by: sigmoid(x), or for GELU (1 + tanh u) / 2 = sigmoid(2 u) with
/// u = √(2/π) (x + 0.044715 x³), for where tanh u comes near -1 the sum would keep none of its digits.
template <bool is_gelu> APUS_DEVICE float gate_share(float x) {
    const float s = is_gelu ? 1.5957691216f * fmaf(0.044715f * x * x, x, x) : x;
    return 1.0f / (1.0f + apus_exp(-s));
}

template <bool is_gelu> APUS_DEVICE void gate(const float *gate, const float *up, float *h, long long count) {
    const long long first = flat_quad(), left = count - first;
    if (left <= 0) return;
    const Quad g = load_quad(gate + first, left), u = load_quad(up + first, left);
    Quad result;
    for (int k = 0; k < 4; k++) result.values[k] = g.values[k] * gate_share<is_gelu>(g.values[k]) * u.values[k];
    store_quad(h + first, left, result);
}

template <bool is_gelu> APUS_DEVICE void gate_backward(float *gate, float *up, const float *dh, long long count) {
    const long long first = flat_quad(), left = count - first;
    if (left <= 0) return;
    Quad g = load_quad(gate + first, left), u = load_quad(up + first, left);
    const Quad d = load_quad(dh + first, left);
    for (int k = 0; k < 4; k++) {
        const float x = g.values[k], share = gate_share<is_gelu>(x), value = x * share;
        // The derivative of 2 u is 2 √(2/π) (1 + 3 · 0.044715 x²).
        const float inner = is_gelu ? 1.5957691216f * fmaf(0.134145f * x, x, 1.0f) : 1.0f;
        const float slope = fmaf(value * (1.0f - share), inner, share);
        g.values[k] = d.values[k] * u.values[k] * slope;
        u.values[k] = d.values[k] * value;
    }
    store_quad(gate + first, left, g);
    store_quad(up + first, left, u);
}

}  // namespace rows

// MARK: Elements

/// x += d.
extern "C" __global__ void __launch_bounds__(256) apus_add(float *x, const float *d, long long count) {
    const long long first = rows::flat_quad(), left = count - first;
    if (left <= 0) return;
    rows::Quad sum = rows::load_quad(x + first, left);
    const rows::Quad delta = rows::load_quad(d + first, left);
    for (int k = 0; k < 4; k++) sum.values[k] += delta.values[k];
    rows::store_quad(x + first, left, sum);
}
APUS_EXPORT(apus_add)

/// x *= factor.
extern "C" __global__ void __launch_bounds__(256) apus_scale(float *x, long long count, float factor) {
    const long long first = rows::flat_quad(), left = count - first;
    if (left <= 0) return;
    rows::Quad value = rows::load_quad(x + first, left);
    for (int k = 0; k < 4; k++) value.values[k] *= factor;
    rows::store_quad(x + first, left, value);
}
APUS_EXPORT(apus_scale)

/// h = activation(gate) · up.
extern "C" __global__ void __launch_bounds__(256)
apus_silu_gate(const float *gate, const float *up, float *h, long long count) {
    rows::gate<false>(gate, up, h, count);
}
APUS_EXPORT(apus_silu_gate)

extern "C" __global__ void __launch_bounds__(256)
apus_gelu_gate(const float *gate, const float *up, float *h, long long count) {
    rows::gate<true>(gate, up, h, count);
}
APUS_EXPORT(apus_gelu_gate)

/// Replaces gate and up by their gradients.
extern "C" __global__ void __launch_bounds__(256)
apus_silu_gate_backward(float *gate, float *up, const float *dh, long long count) {
    rows::gate_backward<false>(gate, up, dh, count);
}
APUS_EXPORT(apus_silu_gate_backward)

extern "C" __global__ void __launch_bounds__(256)
apus_gelu_gate_backward(float *gate, float *up, const float *dh, long long count) {
    rows::gate_backward<true>(gate, up, dh, count);
}
APUS_EXPORT(apus_gelu_gate_backward)

// MARK: Norms

// A row has a warp (`lanes` = 32: eight rows a block) or a block (256), as its width alone decides.

/// y = RMSNorm(x) · gain; y may be x.
extern "C" __global__ void __launch_bounds__(256)
apus_rms_norm(float *x, const float *gain, float epsilon, float *y, int rows, int width, int lanes) {
    rows::norm<false>(x, x, gain, epsilon, y, rows, width, lanes);
}
APUS_EXPORT(apus_rms_norm)

/// x += d, then y = RMSNorm(x) · gain.
extern "C" __global__ void __launch_bounds__(256)
apus_add_rms_norm(float *x, const float *d, const float *gain, float epsilon, float *y, int rows, int width,
                  int lanes) {
    rows::norm<true>(x, d, gain, epsilon, y, rows, width, lanes);
}
APUS_EXPORT(apus_add_rms_norm)

/// dx += the gradient of RMSNorm at x.
extern "C" __global__ void __launch_bounds__(256)
apus_rms_norm_backward(const float *x, const float *gain, float epsilon, const float *dy, float *dx, int rows,
                       int width, int lanes) {
    const int row = rows::row_of_thread(lanes);
    if (row >= rows) return;
    const size_t begin = (size_t)row * width;
    if (rows::is_whole(width, x + begin, gain, dy + begin, dx + begin)) {
        rows::norm_backward_row<true>(x + begin, gain, epsilon, dy + begin, dx + begin, width, lanes);
    } else {
        rows::norm_backward_row<false>(x + begin, gain, epsilon, dy + begin, dx + begin, width, lanes);
    }
}
APUS_EXPORT(apus_rms_norm_backward)

/// 1 / rms of each row.
extern "C" __global__ void __launch_bounds__(256)
apus_norm_inverses(const float *x, float epsilon, float *inverses, int rows, int width, int lanes) {
    const int row = rows::row_of_thread(lanes), lane = (int)threadIdx.x & (lanes - 1);
    if (row >= rows) return;
    const float *values = x + (size_t)row * width;
    float sums[1] = {0};
    for (int i = 4 * lane; i < width; i += 4 * lanes) {
        const rows::Quad value = rows::load_quad(values + i, width - i);
        for (int k = 0; k < 4; k++) sums[0] = fmaf(value.values[k], value.values[k], sums[0]);
    }
    rows::sum_over_row(sums, lanes);
    if (lane == 0) inverses[row] = rows::inverse_root_mean(sums[0], width, epsilon);
}
APUS_EXPORT(apus_norm_inverses)

// MARK: Rotations

/// Rotates the pairs (i, i + half) of each head of row blockIdx.x by the angles of the row's position. `direction` is
/// 1, or -1 for the transpose.
extern "C" __global__ void __launch_bounds__(256)
apus_rope(float *x, int columns, int head_size, int half, const float *cosines, const float *sines,
          const int *positions, float direction) {
    const int pair = (int)(blockIdx.y * rows::threads + threadIdx.x);
    const int head = pair / half, i = pair - head * half;
    if (head >= columns / head_size) return;
    const size_t angle = (size_t)positions[blockIdx.x] * half + i;
    float *low = x + (size_t)blockIdx.x * columns + (size_t)head * head_size + i, *high = low + half;
    const float cosine = cosines[angle], sine = sines[angle] * direction, a = *low, b = *high;
    *low = fmaf(a, cosine, -(b * sine));
    *high = fmaf(b, cosine, a * sine);
}
APUS_EXPORT(apus_rope)

// MARK: Look-ups and stretches

/// destination[i] = source[indices[i]].
extern "C" __global__ void __launch_bounds__(256)
apus_gather(const float *source, const int *indices, int rows, int columns, float *destination) {
    const rows::Place at = rows::place_of_quad(rows, columns);
    if (!at.is_inside) return;
    const float *from = source + (size_t)indices[at.row] * columns + at.column;
    const int left = columns - at.column;
    rows::store_quad(destination + (size_t)at.row * columns + at.column, left, rows::load_quad(from, left));
}
APUS_EXPORT(apus_gather)

/// destination[i] = the column indices[i] of source, [columns][length].
extern "C" __global__ void __launch_bounds__(256)
apus_gather_columns(const float *source, int length, const int *indices, int rows, int columns, float *destination) {
    const rows::Place at = rows::place_of_quad(rows, columns);
    if (!at.is_inside) return;
    const float *from = source + indices[at.row];
    float *to = destination + (size_t)at.row * columns;
    for (int column = at.column; column < min(at.column + 4, columns); column++) {
        to[column] = from[(size_t)column * length];
    }
}
APUS_EXPORT(apus_gather_columns)

/// Copies a stretch of columns of each row, from the column `source_first` to the column `destination_first`.
extern "C" __global__ void __launch_bounds__(256)
apus_copy_columns(const float *source, int source_width, int source_first, float *destination, int destination_width,
                  int destination_first, int rows, int columns) {
    const rows::Place at = rows::place_of_quad(rows, columns);
    if (!at.is_inside) return;
    const float *from = source + (size_t)at.row * source_width + source_first + at.column;
    float *to = destination + (size_t)at.row * destination_width + destination_first + at.column;
    rows::store_quad(to, columns - at.column, rows::load_quad(from, columns - at.column));
}
APUS_EXPORT(apus_copy_columns)
