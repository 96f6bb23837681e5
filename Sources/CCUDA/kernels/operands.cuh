// Operands for NVIDIA's library of products: rows and weights in bf16, side by side with what an adapter adds to the sum.
//
// A matrix of operands has `stride` values from one row to the next. What is written to it begins at `to`, on a multiple of
// 16 bytes, and is `width` values wide: what the source does not have of them is zero.
#pragma once
#include "rows.cuh"
#include "weights.cuh"

namespace operands {

constexpr int octet = 8;

/// `count` rows of a weight from `first` on, of which there are `outputs` in all. A thread has eight values of a row; the
/// number of inputs is even, the width a multiple of eight.
template <class Form>
APUS_DEVICE void unpack(
    const u8 *weight, int first, int count, int outputs, int inputs, bf16 *to, int stride, int width) {
    __shared__ float table[16];
    if constexpr (Form::hasTable) {
        if (threadIdx.x < 16) table[threadIdx.x] = APUS_NF4[threadIdx.x];
        __syncthreads();
    }
    const u32 octets = (u32)width / octet;
    const long long number = (long long)blockIdx.x * rows::threads + threadIdx.x;
    const int row = (int)(number / octets), column = (int)(number % octets) * octet;
    if (row >= count) return;
    u32 pairs[octet / 2] = {};
    if (first + row < outputs && column < inputs) {
        const weights::Place at(first + row, column, inputs, Form::depth);
        const u8 *chunk = weight + at.chunk * Form::bytes;
        const float scale = Form::hasScales ? at.scale(chunk) : 1.0f;
        // What a row lacks to whole chunks is zeros there.
        for (int p = 0; p < octet / 2; p++) {
            pairs[p] = weights::pair<Form>(chunk, at.pair + p * (Form::depth / 4), scale, table);
        }
    }
    *reinterpret_cast<uint4 *>(to + (size_t)row * stride + column) = make_uint4(pairs[0], pairs[1], pairs[2], pairs[3]);
}

}  // namespace operands

/// Rounds the rows of x. The width is a multiple of four.
extern "C" __global__ void __launch_bounds__(256)
apus_round_rows(const float *x, int rows, int columns, bf16 *to, int stride, int width) {
    const rows::Place at = rows::place_of_quad(rows, width);
    if (!at.is_inside) return;
    const int left = columns - at.column;
    const rows::Quad quad = left > 0 ? rows::load_quad(x + (size_t)at.row * columns + at.column, left) : rows::Quad{};
    *reinterpret_cast<uint2 *>(to + (size_t)at.row * stride + at.column) = make_uint2(
        apus_to_pair(quad.values[0], quad.values[1]), apus_to_pair(quad.values[2], quad.values[3]));
}
APUS_EXPORT(apus_round_rows)

/// Every row of y is `row`: a product is added to it.
extern "C" __global__ void __launch_bounds__(256) apus_fill_rows(const float *row, int rows, int columns, float *y) {
    const rows::Place at = rows::place_of_quad(rows, columns);
    if (!at.is_inside) return;
    const int left = columns - at.column;
    rows::store_quad(
        y + (size_t)at.row * columns + at.column, left, rows::load_quad(row + at.column, left));
}
APUS_EXPORT(apus_fill_rows)

#define APUS_UNPACK(kind, Form)                                                                               \
    extern "C" __global__ void __launch_bounds__(256) apus_unpack_##kind(                                     \
        const u8 *weight, int first, int count, int outputs, int inputs, bf16 *to, int stride, int width) {   \
        operands::unpack<Form>(weight, first, count, outputs, inputs, to, stride, width);                     \
    }                                                                                                         \
    APUS_EXPORT(apus_unpack_##kind)

APUS_UNPACK(bf16, weights::Halves)
APUS_UNPACK(int8, weights::Integers)
APUS_UNPACK(nf4, weights::Codes)
