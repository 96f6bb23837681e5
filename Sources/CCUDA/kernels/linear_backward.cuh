// Gradients of what weights are multiplied by, dx = dy W, on tensor cores: dy and the weight are rounded to bf16, scales
// included; sums are fp32, over outputs in ascending order, whatever the number of rows.
//
// The inner dimension are outputs, of which a lane has no neighbours: chunks are unpacked into shared memory, and taken
// from there transposed. A block has 128 inputs by 128 rows, of which a warp has 32 by 64.
#pragma once
#include "linear.cuh"

namespace linear_backward {

using linear::RoundedRows;
using weights::Share;

constexpr int threads = 256, inputsOfBlock = 128, rowsOfBlock = 128, depth = 64;
/// Bytes from an output to the next of the unpacked tile: rows of eight lie in different banks.
constexpr int pitch = 2 * inputsOfBlock + 16;
constexpr int tileBytes = depth * pitch;

/// The chunks that a warp unpacks of 64 outputs by the block's inputs.
template <class Form> struct Unpacking {
    static constexpr int across = inputsOfBlock / Form::depth, count = depth / Form::depth;
    const u8 *weight;
    int tiles, chunks;
    Share shares[count];

    __device__ Unpacking(const u8 *weight, int outputs, int inputs)
        : weight(weight), tiles((outputs + weights::rows - 1) / weights::rows),
          chunks(weights::chunks_of<Form>(inputs)) {}

    /// Which of the chunks, row after row.
    APUS_DEVICE_METHOD int number(int i) const { return (int)threadIdx.x / 32 * count + i; }

    /// Loads the chunks of 64 outputs; zeros outside the weight.
    __device__ void load(int firstOutput) {
#pragma unroll
        for (int i = 0; i < count; i++) {
            const int tile = firstOutput / weights::rows + number(i) / across;
            const int chunk = (int)blockIdx.x * across + number(i) % across;
            shares[i] = {};
            if (tile >= tiles || chunk >= chunks) continue;
            weights::Cursor(weight + ((size_t)tile * chunks + chunk) * Form::bytes).template load<Form>(shares[i], 0);
        }
    }

    /// Unpacks them, [output][input].
    __device__ void unpack(const Form &form, char *tile) const {
        const int lane = threadIdx.x % 32;
#pragma unroll
        for (int i = 0; i < count; i++) {
            char *to = tile + (number(i) / across * weights::rows + lane / 4) * pitch +
                       (number(i) % across * Form::depth + lane % 4 * 2) * 2;
#pragma unroll
            for (int s = 0; s < Form::steps; s++) {
                u32 pairs[4];
                form.fragment(pairs, shares[i], s);
#pragma unroll
                for (int j = 0; j < 4; j++) {
                    if (Form::hasScales) {
                        const float scale = shares[i].scales[j % 2];
                        pairs[j] = apus_to_pair(apus_first(pairs[j]) * scale, apus_second(pairs[j]) * scale);
                    }
                    *reinterpret_cast<u32 *>(to + j % 2 * 8 * pitch + (s * 16 + j / 2 * 8) * 2) = pairs[j];
                }
            }
        }
    }
};

template <class Form>
APUS_DEVICE void multiply(const bf16 *dy, const u8 *weight, float *dx, int rows, int outputs, int inputs,
                          int accumulates) {
    APUS_DYNAMIC_SHARED(char, shared);
    // Two stages of dy in 256 strips, and two unpacked tiles.
    char *tiles = shared + 256 * linear::stripPitch<Form>;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const int firstInput = warp % 4 * 32, firstRow = warp / 4 * 64;
    const int blockRow = (int)blockIdx.y * rowsOfBlock, rowCount = min(rows - blockRow, rowsOfBlock);
    const RoundedRows<Form, rowsOfBlock, 2> stream(dy, outputs, blockRow, rowCount, 0, outputs, shared);
    Unpacking<Form> unpacking(weight, outputs, inputs);
    unpacking.load(0);
    stream.begin();
    if constexpr (Form::hasTable) {
        Form::fill(shared);
        __syncthreads();
    }
    const Form form(shared);
    const u32 own = apus_shared_address(tiles) + (lane % 8 + lane / 16 * 8) * pitch + (firstInput + lane / 8 % 2 * 8) * 2;
    const int fragments = max(0, min(64, rowCount - firstRow) + 7) / 8;
    linear::Sums<8> sums;
    sums.clear();
    for (int item = 0; item * depth < outputs; item++) {
        unpacking.unpack(form, tiles + item % 2 * tileBytes);
        unpacking.load((item + 1) * depth);
        // Who unpacks into a tile has seen everybody leave it, at the barrier of the other.
        stream.take(item);
#pragma unroll
        for (int s = 0; s < depth / 16; s++) {
            u32 a[2][4];
#pragma unroll
            for (int m = 0; m < 2; m++) {
                apus_ldmatrix_transposed(a[m], own + item % 2 * tileBytes + s * 16 * pitch + m * 32);
            }
#pragma unroll
            for (int pair = 0; pair < 4; pair++) {
                if (pair * 2 >= fragments) break;
                u32 b[4];
                stream.load(b, item % 2, s, firstRow / 16 + pair);
#pragma unroll
                for (int m = 0; m < 2; m++) {
                    apus_mma(sums.values[m][2 * pair], a[m], b[0], b[1]);
                    apus_mma(sums.values[m][2 * pair + 1], a[m], b[2], b[3]);
                }
            }
        }
    }
    sums.store(dx, (int)blockIdx.x * inputsOfBlock + firstInput, inputs, blockRow + firstRow,
               rowCount - firstRow, accumulates);
}

}  // namespace linear_backward

// dy: rows that are rounded, of whole 64s. Grid: 128 inputs by 128 rows.

#define APUS_LINEAR_BACKWARD(kind, Form)                                                                             \
    extern "C" __global__ void __launch_bounds__(linear_backward::threads) apus_linear_backward_##kind(              \
        const bf16 *dy, const u8 *weight, float *dx, int rows, int outputs, int inputs, int accumulates) {           \
        linear_backward::multiply<weights::Form>(dy, weight, dx, rows, outputs, inputs, accumulates);                \
    }                                                                                                                \
    APUS_EXPORT(apus_linear_backward_##kind)

APUS_LINEAR_BACKWARD(bf16, Halves)
APUS_LINEAR_BACKWARD(int8, Integers)
APUS_LINEAR_BACKWARD(nf4, Codes)
