// Products of rows with weights on tensor cores, y = x Wᵀ: rows are rounded to bf16, sums are fp32.
//
// However many rows there are, an output is the same sum: the inputs are cut into leaves, by the weight's shape alone; a
// leaf's sum begins at 0 and takes one chunk of the weight after another; leaves are added in order. Where a weight has
// scales, a chunk's sum begins at 0 too and is multiplied by its row's scale. A leaf can then be a block's of its own:
// few rows would leave most of the card idle.
//
// Weights are operand a and rows b, so that of eight rows nothing is computed in vain. A warp has 32 outputs, in two
// chunks that lie below each other, and reads each chunk once: straight into registers, some ahead. Rows come through
// shared memory for all warps of a block.
#pragma once
#include "weights.cuh"

namespace linear {

using weights::Share;

constexpr int warpOutputs = 2 * weights::rows;
constexpr int mostThreads = 256;
/// Products of one input in a launch.
constexpr int mostProducts = 8;

/// What is added to a product, (x Aᵀ) Bᵀ.
struct Adapter {
    /// B, of bf16; null without an adapter.
    const u8 *b;
    /// x Aᵀ, [row][rank], and the sums of its leaves, [leaf][row][rank]; null where it is the product already.
    float *projected;
    const float *parts;
    int rank, leaves;
};

/// A weight and where its product goes.
struct Product {
    const u8 *weight;
    const float *bias;
    Adapter adapter;
    /// [row][output]; or, where `isParts`, the sums of leaves, [leaf][row][output], to which nothing is added.
    float *y;
    int kind, outputs;
    /// Inputs of a leaf, a multiple of 64.
    int leaf;
    int isParts;
    /// Blocks of this product and those before.
    int end;
};

/// A launch, whose grid is the blocks of all products by tiles of rows.
struct Call {
    /// [row][input] in fp32, or in bf16 with rows of whole 64s, zeros behind the last input.
    const void *x;
    int rows, inputs;
    /// Rows of a tile.
    int tile;
    Product products[mostProducts];
};

// MARK: Rows

/// Shared memory is used in strips of 128 bytes: those that a table leaves free, or without one all.
template <class Form> constexpr int stripPitch = Form::hasTable ? 256 : 128;
template <class Form> APUS_DEVICE char *strips(char *shared) { return shared + (Form::hasTable ? 128 : 0); }

/// Brings what some rows have from one input to another, `depth` inputs at a time, each into the next of `stages`
/// places, so that some are under way while one is used. Rows that there are not are zeros.
template <class Self, int stageCount> struct Stream {
    static constexpr int stages = stageCount;

    __device__ void begin() const {
        for (int item = 0; item < stages - 1; item++) bring(item);
    }

    /// Waits for the next one. What the one before was in is overwritten.
    __device__ void take(int item) const {
        apus_copy_wait<stages - 2>();
        __syncthreads();
        bring(item + stages - 1);
    }

private:
    __device__ void bring(int item) const {
        static_cast<const Self *>(this)->copy(item, item % stages);
        apus_copy_commit();
    }
};

/// Up to eight rows, in fp32, which each warp rounds for itself.
///
/// A strip has 8 inputs of 4 rows. Eight lanes that copy, and sixteen that load, have one strip.
template <class Form> struct FewRows : Stream<FewRows<Form>, 4> {
    static constexpr int fragments = 1, together = 1, depth = 256;
    static constexpr int pitch = stripPitch<Form>, stageBytes = depth / 4 * pitch;
    const float *x;
    int rows, inputs, first, end;
    bool isAligned;
    char *base;
    const char *own;

    __device__ FewRows(const void *x, int inputs, int firstRow, int rows, int first, int end, char *shared)
        : x(static_cast<const float *>(x) + (size_t)firstRow * inputs), rows(rows), inputs(inputs), first(first), end(end),
          isAligned((((size_t)x | (size_t)inputs * 4) & 15) == 0), base(strips<Form>(shared)) {
        const int lane = threadIdx.x % 32;
        own = base + lane / 16 * 2 * pitch + lane / 4 % 4 * 32 + lane % 4 * 8;
    }

    __device__ void copy(int item, int stage) const {
        const int begin = first + item * depth;
        if (begin >= end) return;
        const int pieces = (min(depth, end - begin) + 15) / 16 * 32;
        for (int i = (int)threadIdx.x; i < pieces; i += (int)blockDim.x) {
            // Four inputs of a row. From the lowest bit: half of 8 inputs, the row of 4, the 8 of 16, the 4 rows, the 16.
            const int row = (i >> 4 & 1) * 4 + (i >> 1 & 3), strip = (i >> 5) * 4 + (i >> 4 & 1) * 2 + (i >> 3 & 1);
            const int column = begin + (i >> 5) * 16 + (i >> 3 & 1) * 8 + (i & 1) * 4;
            char *to = base + stage * stageBytes + strip * pitch + (i >> 1 & 3) * 32 + (i & 1) * 16;
            const bool isInside = row < rows && column < inputs;
            const float *from = x + (isInside ? (size_t)row * inputs + column : 0);
            if (isAligned) {
                apus_copy_async(apus_shared_address(to), from, isInside);
            } else {
                float4 quad;
                quad.x = isInside ? from[0] : 0.0f;
                quad.y = isInside && column + 1 < inputs ? from[1] : 0.0f;
                quad.z = isInside && column + 2 < inputs ? from[2] : 0.0f;
                quad.w = isInside && column + 3 < inputs ? from[3] : 0.0f;
                *reinterpret_cast<float4 *>(to) = quad;
            }
        }
    }

    /// The b of the rows for a product of 16 inputs.
    APUS_DEVICE_METHOD void load(u32 (&b)[2], u32 stage, u32 step, int) const {
        const char *at = own + stage * stageBytes + step * 4 * pitch;
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
    static constexpr int pitch = stripPitch<Form>, stageBytes = tile * pitch;
    const bf16 *x;
    int rows, width, first, end;
    u32 base, own;

    __device__ RoundedRows(const void *x, int columns, int firstRow, int rows, int first, int end, char *shared)
        : rows(rows), width(rounded_width(columns)), first(first), end(end),
          base(apus_shared_address(strips<Form>(shared))) {
        this->x = static_cast<const bf16 *>(x) + (size_t)firstRow * width;
        const u32 lane = threadIdx.x % 32;
        own = base + (lane % 8 + lane / 16 * 8) * pitch + ((lane / 8 % 2) ^ lane % 8) * 16;
    }

    __device__ void copy(int item, int stage) const {
        const int begin = first + item * depth;
        if (begin >= end) return;
        const int pieces = (rows + 15) / 16 * 128;
        for (int i = (int)threadIdx.x; i < pieces; i += (int)blockDim.x) {
            const int row = i >> 3, piece = i & 7;
            const u32 to = base + stage * stageBytes + row * pitch + ((piece ^ row) & 7) * 16;
            const bool isInside = row < rows;
            apus_copy_async(to, x + (isInside ? (size_t)row * width + begin + piece * 8 : 0), isInside);
        }
    }

    /// The b's of 16 rows.
    APUS_DEVICE_METHOD void load(u32 (&b)[4], u32 stage, u32 step, int pair) const {
        apus_ldmatrix(b, (own + stage * stageBytes + pair * 16 * pitch) ^ (step * 32));
    }
};

template <class Form> using TileRows = RoundedRows<Form, 64, 4>;
template <class Form> using WideRows = RoundedRows<Form, 128, 2>;

// MARK: Sums

/// Adds a chunk's sums, times the scales of its two rows.
APUS_DEVICE void scale(float (&sums)[4], const float (&own)[4], const float (&scales)[2]) {
#pragma unroll
    for (int e = 0; e < 4; e++) sums[e] = fmaf(own[e], scales[e / 2], sums[e]);
}

/// The sum of leaves, which lie `stride` apart.
APUS_DEVICE float sum_of(const float *parts, int leaves, size_t stride) {
    float sum = 0;
#pragma unroll 8
    for (int leaf = 0; leaf < leaves; leaf++) sum += parts[leaf * stride];
    return sum;
}

/// The b of eight rows of an adapter's projection, for a product of the inputs from 16 `step` on. With `mayBeParts` leaves
/// that are still apart are summed; the sum is written where the warp `keeps` it.
template <bool mayBeParts>
APUS_DEVICE void load_projection(u32 (&b)[2], const Adapter &adapter, int rows, int firstRow, int step, bool keeps) {
    const int lane = threadIdx.x % 32, row = firstRow + lane / 4, rank = adapter.rank;
    float own[4];
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const int column = step * 16 + lane % 4 * 2 + i / 2 * 8 + i % 2;
        // Of rows that there are not nothing is kept, and what lies behind the rank meets zeros of B.
        const size_t at = (size_t)min(row, rows - 1) * rank + min(column, rank - 1);
        if (mayBeParts && adapter.parts) {
            own[i] = sum_of(adapter.parts + at, adapter.leaves, (size_t)rows * rank);
            if (keeps && row < rows && column < rank) adapter.projected[at] = own[i];
        } else {
            own[i] = adapter.projected[at];
        }
    }
    b[0] = apus_to_pair(own[0], own[1]);
    b[1] = apus_to_pair(own[2], own[3]);
}

/// A warp's sums: of 2 x 16 outputs and some times 8 rows.
template <int fragments> struct Sums {
    float values[2][fragments][4];

    APUS_DEVICE_METHOD void clear() {
#pragma unroll
        for (int m = 0; m < 2; m++) {
#pragma unroll
            for (int n = 0; n < fragments; n++) {
#pragma unroll
                for (int e = 0; e < 4; e++) values[m][n][e] = 0;
            }
        }
    }

    APUS_DEVICE_METHOD void add(const Sums &other) {
#pragma unroll
        for (int m = 0; m < 2; m++) {
#pragma unroll
            for (int n = 0; n < fragments; n++) {
#pragma unroll
                for (int e = 0; e < 4; e++) values[m][n][e] += other.values[m][n][e];
            }
        }
    }

    /// Adds the products of two chunks' outputs with `count` times 8 rows, of inputs from the product `step` of a stage on.
    template <class Form, class Rows>
    APUS_DEVICE_METHOD void add(const u32 (&a)[2][Form::steps][4], const float (&scales)[2][2], const Rows &rows,
                                int count, u32 stage, u32 step) {
#pragma unroll
        for (int n = 0; n < fragments; n += Rows::together) {
            if (n >= count) break;
            float own[2][Rows::together][4] = {};
#pragma unroll
            for (int s = 0; s < Form::steps; s++) {
                u32 b[2 * Rows::together];
                rows.load(b, stage, step + s, n / Rows::together);
#pragma unroll
                for (int m = 0; m < 2; m++) {
#pragma unroll
                    for (int i = 0; i < Rows::together; i++) {
                        apus_mma(Form::hasScales ? own[m][i] : values[m][n + i], a[m][s], b[2 * i], b[2 * i + 1]);
                    }
                }
            }
            if constexpr (Form::hasScales) {
#pragma unroll
                for (int m = 0; m < 2; m++) {
#pragma unroll
                    for (int i = 0; i < Rows::together; i++) scale(values[m][n + i], own[m][i], scales[m]);
                }
            }
        }
    }

    /// Adds each output's bias.
    __device__ void shift(const float *bias, int firstOutput, int outputs) {
#pragma unroll
        for (int m = 0; m < 2; m++) {
#pragma unroll
            for (int half = 0; half < 2; half++) {
                const int output = firstOutput + m * weights::rows + half * 8 + (int)threadIdx.x % 32 / 4;
                const float value = output < outputs ? bias[output] : 0.0f;
#pragma unroll
                for (int n = 0; n < fragments; n++) {
#pragma unroll
                    for (int e = 2 * half; e < 2 * half + 2; e++) values[m][n][e] += value;
                }
            }
        }
    }

    /// Adds what an adapter adds, whose projection is complete.
    __device__ void adapt(const Adapter &adapter, int firstOutput, int outputs, int firstRow, int count, int rows) {
        const int steps = weights::chunks_of<weights::Halves>(adapter.rank);
        weights::Cursor next[2];
#pragma unroll
        for (int m = 0; m < 2; m++) {
            const int tile = min(firstOutput / weights::rows + m, (outputs - 1) / weights::rows);
            next[m] = weights::Cursor(adapter.b + (size_t)tile * steps * weights::Halves::bytes);
        }
        for (int step = 0; step < steps; step++) {
            Share shares[2];
#pragma unroll
            for (int m = 0; m < 2; m++) next[m].load<weights::Halves>(shares[m], step);
#pragma unroll
            for (int n = 0; n < fragments; n++) {
                if (n >= count) break;
                u32 b[2];
                load_projection<false>(b, adapter, rows, firstRow + n * 8, step, false);
#pragma unroll
                for (int m = 0; m < 2; m++) apus_mma(values[m][n], shares[m].words, b[0], b[1]);
            }
        }
    }

    /// Writes the sums that are in the matrix, or adds them to what is there.
    __device__ void store(float *y, int firstOutput, int outputs, int firstRow, int rows, bool accumulates) const {
        const int lane = threadIdx.x % 32;
#pragma unroll
        for (int m = 0; m < 2; m++) {
#pragma unroll
            for (int half = 0; half < 2; half++) {
                const int output = firstOutput + m * weights::rows + half * 8 + lane / 4;
                if (output >= outputs) continue;
#pragma unroll
                for (int n = 0; n < fragments; n++) {
#pragma unroll
                    for (int e = 0; e < 2; e++) {
                        const int row = n * 8 + lane % 4 * 2 + e;
                        if (row >= rows) continue;
                        float *to = y + (size_t)(firstRow + row) * outputs + output;
                        const float sum = values[m][n][half * 2 + e];
                        *to = accumulates ? *to + sum : sum;
                    }
                }
            }
        }
    }
};

/// The chunks of a warp's outputs one after another, `ahead` of them in registers.
template <class Form, int ahead> struct Chunks {
    weights::Cursor next[2];
    Share ring[ahead][2];
    int count;

    /// `count` chunks from the input `first` on.
    __device__ Chunks(const Product &product, int firstOutput, int inputs, int first, int count) : count(count) {
#pragma unroll
        for (int m = 0; m < 2; m++) {
            // What lies behind the last outputs is computed from their chunk, and not written.
            const int tile = min(firstOutput / weights::rows + m, (product.outputs - 1) / weights::rows);
            next[m] = weights::Cursor(
                product.weight + ((size_t)tile * weights::chunks_of<Form>(inputs) + first / Form::depth) * Form::bytes);
        }
#pragma unroll
        for (int slot = 0; slot < ahead; slot++) load(slot, slot);
        advance();
    }

    /// Fills a slot with the chunk `number`.
    APUS_DEVICE_METHOD void load(int slot, int number) {
        if (number >= count) return;
#pragma unroll
        for (int m = 0; m < 2; m++) next[m].load<Form>(ring[slot][m], slot);
    }

    APUS_DEVICE_METHOD void advance() {
#pragma unroll
        for (int m = 0; m < 2; m++) next[m].skip<Form>(ahead);
    }
};

/// The sum of leaves: in registers, where there is room for them, or in shared memory, where each thread finds its own.
template <class Rows> struct RegisterTotals {
    Sums<Rows::fragments> sums;

    __device__ explicit RegisterTotals(char *) { sums.clear(); }
    APUS_DEVICE_METHOD void add(const Sums<Rows::fragments> &leaf, bool) { sums.add(leaf); }
    APUS_DEVICE_METHOD void take(Sums<Rows::fragments> &result) const { result = sums; }
};

template <class Rows> struct SharedTotals {
    static constexpr int fragments = Rows::fragments;
    float4 *own;

    __device__ explicit SharedTotals(char *shared)
        : own(reinterpret_cast<float4 *>(shared + Rows::stages * Rows::stageBytes) + threadIdx.x) {}

    __device__ void add(const Sums<fragments> &leaf, bool isFirst) const {
#pragma unroll
        for (int m = 0; m < 2; m++) {
#pragma unroll
            for (int n = 0; n < fragments; n++) {
                float4 &total = own[(m * fragments + n) * (int)blockDim.x];
                const float4 before = isFirst ? make_float4(0, 0, 0, 0) : total;
                const float(&more)[4] = leaf.values[m][n];
                total = make_float4(before.x + more[0], before.y + more[1], before.z + more[2], before.w + more[3]);
            }
        }
    }

    __device__ void take(Sums<fragments> &result) const {
#pragma unroll
        for (int m = 0; m < 2; m++) {
#pragma unroll
            for (int n = 0; n < fragments; n++) {
                const float4 total = own[(m * fragments + n) * (int)blockDim.x];
                const float values[4] = {total.x, total.y, total.z, total.w};
#pragma unroll
                for (int e = 0; e < 4; e++) result.values[m][n][e] = values[e];
            }
        }
    }
};

/// A block of one leaf has none.
template <class Rows> struct NoTotals {
    __device__ explicit NoTotals(char *) {}
    APUS_DEVICE_METHOD void add(const Sums<Rows::fragments> &, bool) const {}
    APUS_DEVICE_METHOD void take(Sums<Rows::fragments> &) const {}
};

/// A block's outputs of a product: of one leaf, or with totals of all leaves.
template <class Form, class Rows, class Totals, bool isWhole, int ahead>
APUS_DEVICE void multiply(const Call &call, const Product &product, int block, char *shared) {
    const int outputs = product.outputs, inputs = call.inputs;
    const int blockOutputs = (int)blockDim.x / 32 * warpOutputs, blocks = (outputs + blockOutputs - 1) / blockOutputs;
    const int leaf = isWhole ? 0 : block / blocks;
    const int first = leaf * product.leaf, end = isWhole ? inputs : min(first + product.leaf, inputs);
    const int firstOutput = block % blocks * blockOutputs + (int)threadIdx.x / 32 * warpOutputs;
    const u32 count = (u32)(end - first + Form::depth - 1) / Form::depth;
    Chunks<Form, ahead> chunks(product, firstOutput, inputs, first, (int)count);
    const int firstRow = (int)blockIdx.y * call.tile, rowCount = min(call.rows - firstRow, call.tile);
    const Rows rows(call.x, inputs, firstRow, rowCount, first, end, shared);
    rows.begin();
    if constexpr (Form::hasTable) Form::fill(shared);
    const Form form(shared);
    const int fragments = (rowCount + 7) / 8;
    constexpr int stageChunks = Rows::depth / Form::depth;
    Sums<Rows::fragments> sums;
    Totals totals(shared);
    for (u32 done = 0; done < count;) {
        const bool isFirst = done == 0;
        const u32 leafEnd = isWhole ? min(done + product.leaf / Form::depth, count) : count;
        sums.clear();
        for (; done < leafEnd; done += ahead) {
#pragma unroll
            for (int slot = 0; slot < ahead; slot++) {
                const u32 chunk = done + slot;
                if (slot > 0 && chunk >= leafEnd) break;
                // What the slot tells is no question at run time.
                if (slot % (ahead < stageChunks ? ahead : stageChunks) == 0 &&
                    (ahead >= stageChunks || chunk % stageChunks == 0)) {
                    rows.take((int)(chunk / stageChunks));
                }
                u32 a[2][Form::steps][4];
#pragma unroll
                for (int m = 0; m < 2; m++) {
#pragma unroll
                    for (int s = 0; s < Form::steps; s++) form.fragment(a[m][s], chunks.ring[slot][m], s);
                }
                const float scales[2][2] = {{chunks.ring[slot][0].scales[0], chunks.ring[slot][0].scales[1]},
                                            {chunks.ring[slot][1].scales[0], chunks.ring[slot][1].scales[1]}};
                // With others under way, the registers are better used until the end.
                if (ahead == 1) chunks.load(slot, (int)chunk + ahead);
                sums.template add<Form>(a, scales, rows, fragments, chunk / stageChunks % Rows::stages,
                                        chunk % stageChunks * Form::steps);
                if (ahead > 1) chunks.load(slot, (int)chunk + ahead);
            }
            chunks.advance();
        }
        totals.add(sums, isFirst);
    }
    totals.take(sums);
    if (product.isParts) {
        float *y = product.y + (size_t)leaf * call.rows * outputs;
        return sums.store(y, firstOutput, outputs, firstRow, rowCount, false);
    }
    if (product.bias) sums.shift(product.bias, firstOutput, outputs);
    if (Rows::fragments > 1 && product.adapter.b) {
        sums.adapt(product.adapter, firstOutput, outputs, firstRow, fragments, call.rows);
    }
    sums.store(product.y, firstOutput, outputs, firstRow, rowCount, false);
}

template <class Form, template <class> class Rows, template <class> class Totals, bool isWhole, int ahead>
APUS_DEVICE void run_form(const Call &call, const Product &product, int block, char *shared) {
    multiply<Form, Rows<Form>, Totals<Rows<Form>>, isWhole, ahead>(call, product, block, shared);
}

/// The block's own product.
template <template <class> class Rows, template <class> class Totals, bool isWhole, int ahead>
APUS_DEVICE void run_product(const Call &call) {
    APUS_DYNAMIC_SHARED(char, shared);
    int number = 0, begin = 0;
    while ((int)blockIdx.x >= call.products[number].end) begin = call.products[number++].end;
    const Product &product = call.products[number];
    const int block = (int)blockIdx.x - begin;
    switch (product.kind) {
        case weights::codes:
            return run_form<weights::Codes, Rows, Totals, isWhole, ahead>(call, product, block, shared);
        case weights::integers:
            return run_form<weights::Integers, Rows, Totals, isWhole, ahead>(call, product, block, shared);
        default:
            return run_form<weights::Halves, Rows, Totals, isWhole, ahead>(call, product, block, shared);
    }
}

}  // namespace linear

// MARK: Kernels

/// Up to eight rows of fp32; a block has one leaf.
extern "C" __global__ void __launch_bounds__(linear::mostThreads, 2) apus_linear_few(APUS_PARAMETER(linear::Call) call) {
    linear::run_product<linear::FewRows, linear::NoTotals, false, 4>(call);
}
APUS_EXPORT(apus_linear_few)

/// Tiles of rows that are rounded; a block has one leaf.
extern "C" __global__ void __launch_bounds__(linear::mostThreads)
apus_linear_leaves(APUS_PARAMETER(linear::Call) call) {
    linear::run_product<linear::TileRows, linear::NoTotals, false, 4>(call);
}
APUS_EXPORT(apus_linear_leaves)

/// The same; a block has all leaves.
extern "C" __global__ void __launch_bounds__(linear::mostThreads) apus_linear_whole(APUS_PARAMETER(linear::Call) call) {
    linear::run_product<linear::TileRows, linear::RegisterTotals, true, 1>(call);
}
APUS_EXPORT(apus_linear_whole)

#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 900
/// The same of tiles of 128 rows, with 128 KiB of shared memory more for a whole block: weights are unpacked half as
/// often, where tensor cores are so fast that it matters.
extern "C" __global__ void __launch_bounds__(linear::mostThreads) apus_linear_wide(APUS_PARAMETER(linear::Call) call) {
    linear::run_product<linear::WideRows, linear::SharedTotals, true, 1>(call);
}
APUS_EXPORT(apus_linear_wide)
#endif
