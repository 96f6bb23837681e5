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
#include "linear_sums.cuh"

namespace linear {

constexpr int warpOutputs = 2 * weights::rows;
constexpr int mostThreads = 256;
/// Products of one input in a launch.
constexpr int mostProducts = 8;

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

// As LinearLaunches in Swift writes them.
static_assert(sizeof(Product) == 80 && sizeof(Call) == 24 + mostProducts * sizeof(Product), "another layout");

// MARK: Tiles

/// The chunks of a warp's outputs one after another, `ahead` of them in registers.
template <class Form, int ahead> struct Chunks {
    weights::Cursor next;
    /// Bytes to the chunk of the outputs below. Behind the last outputs it is their own: it is computed, and not written.
    u32 below;
    Share ring[ahead][2];
    int count;

    /// `count` chunks from the input `first` on.
    __device__ Chunks(const Product &product, int firstOutput, int inputs, int first, int count) : count(count) {
        const int tile = firstOutput / weights::rows, last = (product.outputs - 1) / weights::rows;
        const u32 rowBytes = (u32)weights::chunks_of<Form>(inputs) * Form::bytes;
        below = tile < last ? rowBytes : 0;
        next = weights::Cursor(product.weight + (size_t)min(tile, last) * rowBytes + first / Form::depth * Form::bytes);
#pragma unroll
        for (int slot = 0; slot < ahead; slot++) load(slot, slot);
        advance();
    }

    /// Fills a slot with the chunk `number`.
    APUS_DEVICE_METHOD void load(int slot, int number) {
        if (number >= count) return;
        next.load<Form>(ring[slot][0], slot);
        next.below(below).template load<Form>(ring[slot][1], slot);
    }

    APUS_DEVICE_METHOD void advance() { next.skip<Form>(ahead); }
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
    char *shared;

    __device__ explicit SharedTotals(char *shared) : shared(shared) {}

    APUS_DEVICE_METHOD float4 &own(int number) const {
        float4 *totals = reinterpret_cast<float4 *>(shared + Rows::stages * Rows::stageBytes);
        return totals[number * (int)blockDim.x + (int)threadIdx.x];
    }

    __device__ void add(const Sums<fragments> &leaf, bool isFirst) const {
#pragma unroll
        for (int m = 0; m < 2; m++) {
#pragma unroll
            for (int n = 0; n < fragments; n++) {
                float4 &total = own(m * fragments + n);
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
                const float4 total = own(m * fragments + n);
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
    int firstOutput = block % blocks * blockOutputs + (int)threadIdx.x / 32 * warpOutputs;
    const u32 count = (u32)(end - first + Form::depth - 1) / Form::depth;
    Chunks<Form, ahead> chunks(product, firstOutput, inputs, first, (int)count);
    const int firstRow = (int)blockIdx.y * call.tile, rowCount = min(call.rows - firstRow, call.tile);
    const Rows rows(call.x, inputs, firstRow, rowCount, first, end, shared);
    rows.begin();
    if constexpr (Form::hasTable) Form::fill(shared);
    const Form form(shared);
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
                sums.template add<Form>(a, scales, rows, chunk / stageChunks % Rows::stages,
                                        chunk % stageChunks * Form::steps);
                if (ahead > 1) chunks.load(slot, (int)chunk + ahead);
            }
            chunks.advance();
        }
        totals.add(sums, isFirst);
    }
    totals.take(sums);
    apus_recompute(firstOutput);
    if (product.isParts) {
        float *y = product.y + (size_t)leaf * call.rows * outputs;
        return sums.store(y, firstOutput, outputs, firstRow, rowCount, false);
    }
    if (product.bias) sums.shift(product.bias, firstOutput, outputs);
    if (Rows::adapts && product.adapter.b) {
        sums.adapt(product.adapter, firstOutput, outputs, firstRow, rowCount, call.rows);
    }
    sums.store(product.y, firstOutput, outputs, firstRow, rowCount, false);
}

template <class Form, template <class> class Rows, template <class> class Totals, bool isWhole, int ahead>
APUS_DEVICE void run_form(const Call &call, const Product &product, int block, char *shared) {
    multiply<Form, Rows<Form>, Totals<Rows<Form>>, isWhole, ahead>(call, product, block, shared);
}

/// Whose block this is, of things that have blocks one after another; `begin` is the first of its own.
template <class Item> APUS_DEVICE const Item &item_of_block(const Item *items, int &begin) {
    int number = 0;
    for (begin = 0; (int)blockIdx.x >= items[number].end; number++) begin = items[number].end;
    return items[number];
}

/// The block's own product.
template <template <class> class Rows, template <class> class Totals, bool isWhole, int ahead>
APUS_DEVICE void run_product(const Call &call) {
    APUS_DYNAMIC_SHARED(char, shared);
    int begin;
    const Product &product = item_of_block(call.products, begin);
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
extern "C" __global__ void __launch_bounds__(linear::mostThreads, 2) apus_linear_8(APUS_PARAMETER(linear::Call) call) {
    linear::run_product<linear::EightRows, linear::NoTotals, false, 4>(call);
}
APUS_EXPORT(apus_linear_8)

/// Up to sixteen.
extern "C" __global__ void __launch_bounds__(linear::mostThreads, 2) apus_linear_16(APUS_PARAMETER(linear::Call) call) {
    linear::run_product<linear::SixteenRows, linear::NoTotals, false, 4>(call);
}
APUS_EXPORT(apus_linear_16)

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

/// The same of tiles of 128 rows, with 128 KiB of shared memory more for a whole block: weights are unpacked half as
/// often, where tensor cores are so fast that it matters.
extern "C" __global__ void __launch_bounds__(linear::mostThreads) apus_linear_wide(APUS_PARAMETER(linear::Call) call) {
    linear::run_product<linear::WideRows, linear::SharedTotals, true, 1>(call);
}
APUS_EXPORT(apus_linear_wide)
