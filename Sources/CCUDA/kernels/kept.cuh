// Rows that are kept in pages, [page][stream][position in the page], 16 positions a page. A row is its values, in fp32 or
// as integers of 16 bits with a scale for each 64, which follow them from the next multiple of 4 bytes on; rows begin
// on multiples of 16 bytes.
//
// Pages may lie in pinned memory of the host, which kernels write and read as their own, at the pace of the bus. What is
// read from there is fetched first: rows as they are, one after another, which are then recalled without slots.
#pragma once
#include "rows.cuh"

namespace kept {

APUS_DEVICE u8 *row(u8 *pages, int row_bytes, int slot, int streams, int stream) {
    return pages + (((size_t)(slot >> 4) * streams + stream) * 16 + (slot & 15)) * row_bytes;
}

/// A row of those that are recalled: of a slot, or of those that lie one after another.
APUS_DEVICE u8 *recalled_row(u8 *pages, int row_bytes, const int *slots, int index, int streams, int stream) {
    return slots ? row(pages, row_bytes, slots[index], streams, stream) : pages + (size_t)index * row_bytes;
}

/// Values that share a scale; each lane has two of them, 32 apart.
constexpr int block = 64;

/// A warp's block of a row.
APUS_DEVICE rows::Place place_of_block(int rows, int columns) {
    const u32 blocks = ((u32)columns + block - 1) / block;
    const u32 number = blockIdx.x * rows::warps + threadIdx.x / 32;
    const u32 row = number / blocks;
    return {(int)row, (int)((number - row * blocks) * block), row < (u32)rows};
}

APUS_DEVICE float *scale(u8 *row, int column, int columns) {
    return reinterpret_cast<float *>(row + ((2 * columns + 3) & ~3)) + column / block;
}

}  // namespace kept

extern "C" __global__ void __launch_bounds__(256)
apus_keep_exact(const float *x, int rows, int columns, const int *slots, int streams, int stream, u8 *pages,
                int row_bytes) {
    const rows::Place at = rows::place_of_quad(rows, columns);
    if (!at.is_inside) return;
    u8 *row = kept::row(pages, row_bytes, slots[at.row], streams, stream);
    const int left = columns - at.column;
    rows::store_quad(reinterpret_cast<float *>(row) + at.column, left,
                     rows::load_quad(x + (size_t)at.row * columns + at.column, left));
}
APUS_EXPORT(apus_keep_exact)

extern "C" __global__ void __launch_bounds__(256)
apus_recall_exact(u8 *pages, int row_bytes, int streams, int stream, const int *slots, int rows, int columns,
                  float *x) {
    const rows::Place at = rows::place_of_quad(rows, columns);
    if (!at.is_inside) return;
    const u8 *row = kept::recalled_row(pages, row_bytes, slots, at.row, streams, stream);
    const int left = columns - at.column;
    rows::store_quad(x + (size_t)at.row * columns + at.column, left,
                     rows::load_quad(reinterpret_cast<const float *>(row) + at.column, left));
}
APUS_EXPORT(apus_recall_exact)

/// Integers of 15 bits and a sign in units of the largest magnitude / 32767 of their block.
extern "C" __global__ void __launch_bounds__(256)
apus_keep_short(const float *x, int rows, int columns, const int *slots, int streams, int stream, u8 *pages,
                int row_bytes) {
    const rows::Place at = kept::place_of_block(rows, columns);
    if (!at.is_inside) return;
    const float *from = x + (size_t)at.row * columns;
    const int lane = threadIdx.x % 32;
    float value[2];
    // Of numbers without a sign, the bits order as the numbers do, and NaN is the largest.
    u32 bits = 0;
    for (int h = 0; h < 2; h++) {
        const int column = at.column + lane + 32 * h;
        value[h] = column < columns ? from[column] : 0.0f;
        bits = max(bits, __float_as_uint(value[h]) & 0x7fffffffu);
    }
    for (int distance = 16; distance > 0; distance >>= 1) bits = max(bits, __shfl_xor_sync(APUS_WARP, bits, distance));
    const float largest = __uint_as_float(bits);
    // Below this the inverse would overflow, and nothing of it would reach a gradient.
    const float inverse = largest > 1e-30f ? 32767.0f / largest : 0.0f;
    u8 *row = kept::row(pages, row_bytes, slots[at.row], streams, stream);
    for (int h = 0; h < 2; h++) {
        const int column = at.column + lane + 32 * h;
        if (column < columns) reinterpret_cast<short *>(row)[column] = (short)__float2int_rn(value[h] * inverse);
    }
    if (lane == 0) *kept::scale(row, at.column, columns) = largest / 32767.0f;
}
APUS_EXPORT(apus_keep_short)

extern "C" __global__ void __launch_bounds__(256)
apus_recall_short(u8 *pages, int row_bytes, int streams, int stream, const int *slots, int rows, int columns,
                  float *x) {
    const rows::Place at = kept::place_of_block(rows, columns);
    if (!at.is_inside) return;
    u8 *row = kept::recalled_row(pages, row_bytes, slots, at.row, streams, stream);
    const float scale = *kept::scale(row, at.column, columns);
    for (int h = 0; h < 2; h++) {
        const int column = at.column + (int)(threadIdx.x % 32) + 32 * h;
        if (column < columns) {
            x[(size_t)at.row * columns + column] = (float)reinterpret_cast<const short *>(row)[column] * scale;
        }
    }
}
APUS_EXPORT(apus_recall_short)

/// Copies rows as they are, in few blocks, since others work meanwhile: each thread has four pieces of 16 bytes on the
/// way.
extern "C" __global__ void __launch_bounds__(256)
apus_fetch_rows(u8 *pages, int row_bytes, int streams, int stream, const int *slots, int rows, u8 *copies) {
    const int pieces = row_bytes / 16;
    const long long count = (long long)rows * pieces, step = (long long)gridDim.x * blockDim.x;
    for (long long first = (long long)blockIdx.x * blockDim.x + threadIdx.x; first < count; first += 4 * step) {
        uint4 values[4];
        for (int k = 0; k < 4; k++) {
            const long long piece = first + k * step;
            if (piece < count) {
                const int row = (int)(piece / pieces), place = (int)(piece - (long long)row * pieces);
                u8 *from = kept::row(pages, row_bytes, slots[row], streams, stream);
                values[k] = reinterpret_cast<const uint4 *>(from)[place];
            }
        }
        for (int k = 0; k < 4; k++) {
            const long long piece = first + k * step;
            if (piece < count) reinterpret_cast<uint4 *>(copies)[piece] = values[k];
        }
    }
}
APUS_EXPORT(apus_fetch_rows)
