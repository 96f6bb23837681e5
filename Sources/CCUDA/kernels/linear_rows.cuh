// Rows on their way to the tensor cores, through shared memory.
//
// It is used in strips of 128 bytes: those that a table of weights leaves free, or without one all. An item of a stream is what
// some rows have from one input to another, `depth` inputs at a time; rows that there are not are zeros.
#pragma once
#include "rows.cuh"
#include "stream.cuh"
#include "weights.cuh"

namespace linear {

template <class Form> constexpr int stripPitch = Form::hasTable ? 256 : 128;
template <class Form> APUS_DEVICE char *firstStrip(char *shared) { return shared + (Form::hasTable ? 128 : 0); }

/// Up to `fragmentCount` times eight rows, in fp32, which each warp rounds for itself.
///
/// A strip has 8 inputs of 4 rows. Eight lanes that copy, and sixteen that load, have one strip.
template <class Form, int fragmentCount>
struct ExactRows : Stream<ExactRows<Form, fragmentCount>, 4 / fragmentCount> {
    static constexpr int fragments = fragmentCount, together = 1, depth = 256;
    /// Strips of 16 inputs, two for each 4 rows.
    static constexpr int strips = 4 * fragments;
    static constexpr int pitch = stripPitch<Form>, stageBytes = depth / 16 * strips * pitch;
    static constexpr bool adapts = false;
    const float *x;
    int rows, inputs, first, end;
    bool isAligned;
    char *base;
    const char *own;

    __device__ ExactRows(const void *x, int inputs, int firstRow, int rows, int first, int end, char *shared)
        : x(static_cast<const float *>(x) + (size_t)firstRow * inputs), rows(rows), inputs(inputs), first(first),
          end(end), isAligned((((size_t)x | (size_t)inputs * 4) & 15) == 0), base(firstStrip<Form>(shared)) {
        const int lane = threadIdx.x % 32;
        own = base + lane / 16 * 2 * pitch + lane / 4 % 4 * 32 + lane % 4 * 8;
    }

    __device__ void copy(int item, int stage) const {
        const int begin = first + item * depth;
        if (begin >= end) return;
        const int pieces = (min(depth, end - begin) + 15) / 16 * strips * 8;
        for (int i = (int)threadIdx.x; i < pieces; i += (int)blockDim.x) {
            // A piece is four inputs of a row; eight of them are a strip, of which the first two are of one row.
            const int strip = i / 8, row = strip % strips / 2 * 4 + i / 2 % 4;
            const int column = begin + strip / strips * 16 + strip % 2 * 8 + i % 2 * 4;
            char *to = base + stage * stageBytes + strip * pitch + i % 8 * 16;
            const bool isInside = row < rows && column < inputs;
            const float *from = x + (isInside ? (size_t)row * inputs + column : 0);
            if (isAligned) {
                apus_copy_async(apus_shared_address(to), from, isInside);
            } else {
                *reinterpret_cast<::rows::Quad *>(to) = ::rows::load_quad(from, isInside ? inputs - column : 0);
            }
        }
    }

    /// The b of eight rows for a product of 16 inputs.
    APUS_DEVICE_METHOD void load(u32 (&b)[2], u32 stage, u32 step, int fragment) const {
        const char *at = own + stage * stageBytes + (step * strips + fragment * 4) * pitch;
        const float2 low = *reinterpret_cast<const float2 *>(at), high = *reinterpret_cast<const float2 *>(at + pitch);
        b[0] = apus_to_pair(low.x, low.y);
        b[1] = apus_to_pair(high.x, high.y);
    }
};

/// Values in a row that is rounded before: of `columns`, to whole 64s.
APUS_DEVICE int rounded_width(int columns) { return (columns + 63) / 64 * 64; }

/// Up to `tile` rows that are rounded before, zeros behind their last value. A strip has 64 values of a row, in pieces
/// of 16 bytes, whose places are exchanged row by row, so that pieces of eight rows lie in different banks.
template <class Form, int tile, int stages> struct RoundedRows : Stream<RoundedRows<Form, tile, stages>, stages> {
    static constexpr int fragments = tile / 8, together = 2, depth = 64;
    static constexpr bool adapts = true;
    static constexpr int pitch = stripPitch<Form>, stageBytes = tile * pitch;
    const bf16 *x;
    int rows, width, count;
    u32 base, own;

    __device__ RoundedRows(const void *x, int columns, int firstRow, int rows, int first, int end, char *shared)
        : rows(rows), width(rounded_width(columns)), count((end - first + depth - 1) / depth),
          base(apus_shared_address(firstStrip<Form>(shared))) {
        this->x = static_cast<const bf16 *>(x) + (size_t)firstRow * width + first;
        const u32 lane = threadIdx.x % 32;
        own = base + (lane % 8 + lane / 16 * 8) * pitch + ((lane / 8 % 2) ^ lane % 8) * 16;
    }

    __device__ void copy(int item, int stage) const {
        if (item >= count) return;
        const int pieces = (rows + 15) / 16 * 128;
        for (int i = (int)threadIdx.x; i < pieces; i += (int)blockDim.x) {
            const int row = i / 8, piece = i % 8;
            const u32 to = base + stage * stageBytes + row * pitch + ((piece ^ row) & 7) * 16;
            const bool isInside = row < rows;
            apus_copy_async(to, x + (isInside ? (size_t)row * width + item * depth + piece * 8 : 0), isInside);
        }
    }

    /// The b's of 16 rows.
    APUS_DEVICE_METHOD void load(u32 (&b)[4], u32 stage, u32 step, int pair) const {
        apus_ldmatrix(b, (own + stage * stageBytes + pair * 16 * pitch) ^ (step * 32));
    }
};

template <class Form> using EightRows = ExactRows<Form, 1>;
template <class Form> using SixteenRows = ExactRows<Form, 2>;
template <class Form> using TileRows = RoundedRows<Form, 64, 4>;
template <class Form> using WideRows = RoundedRows<Form, 128, 2>;

}  // namespace linear
