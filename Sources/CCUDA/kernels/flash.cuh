// Attention on tensor cores, over pages of bf16: queries and weights are rounded to bf16; sums and the softmax are
// fp32. Here is what the forward and the backward pass share: tiles in shared memory, the softmax, and how its splits
// are combined.
//
// Keys are taken in blocks of 64, counted from key 0, and blocks in splits of 8: a split has a softmax of its own, and
// splits are then combined in order. That is always so: a split can then be another block of threads' where few
// queries see many keys, and the bits are the same.
//
// Keys that a query does not see get a weight of 0: values of a later row of the same tile that are no numbers reach
// it all the same.
#pragma once
#include "attention.cuh"
#include "stream.cuh"

namespace flash {

using attention::Pages;
using attention::pageTokens;
using attention::Queries;
using attention::Rule;
using attention::Seen;
using attention::Tile;
using attention::threads;
using attention::warps;

constexpr int blockKeys = 64;
constexpr int splitBlocks = 8;
constexpr int splitKeys = splitBlocks * blockKeys;
constexpr float log2e = 1.44269504f;
constexpr float ln2 = 0.693147181f;

// MARK: Tiles in shared memory

/// Bytes from a row of `size` bf16 numbers to the next: an odd number of 16s, so that eight rows' lie in different
/// banks.
template <int size> constexpr int pitch = 2 * size + 16;

/// A lane's part of the address of a fragment, which is 16 x 16: for `apus_ldmatrix` as apus_mma's a, and transposed
/// as two neighbouring b's.
template <int size> APUS_DEVICE u32 fragment_of_rows() {
    const u32 lane = threadIdx.x % 32;
    return lane % 16 * pitch<size> + lane / 16 * 16;
}

/// For `apus_ldmatrix` as the b's of two times eight rows.
template <int size> APUS_DEVICE u32 fragment_of_columns() {
    const u32 lane = threadIdx.x % 32;
    return (lane % 8 + lane / 16 * 8) * pitch<size> + lane / 8 % 2 * 16;
}

/// Begins to bring keys, or values, firstKey ..< firstKey + count; 0 for those outside `seen`, of which nothing is
/// known.
template <int size, int count>
APUS_DEVICE void copy_keys(u32 to, const Pages<bf16> &pages, bool values, int firstKey, const Seen &seen) {
    // A warp's rows are of one page.
    constexpr int rows = count / warps, rowChunks = size / 8;
    const int own = (int)threadIdx.x / 32 * rows, key = firstKey + own;
    const bool isSeen = key < seen.end && key + rows > seen.begin;
    const bf16 *from = isSeen ? pages.page(key / pageTokens) : pages.base;
    from += ((values ? pageTokens : 0) + key % pageTokens) * size;
    constexpr int chunks = rows * rowChunks;
#pragma unroll
    for (int i = 0; i < (chunks + 31) / 32; i++) {
        const int chunk = i * 32 + (int)threadIdx.x % 32, row = chunk / rowChunks, column = chunk % rowChunks;
        if (chunks % 32 != 0 && chunk >= chunks) break;
        apus_copy_async(to + (u32)((own + row) * pitch<size> + column * 16), from + chunk * 8, seen.has(key + row));
    }
}

APUS_DEVICE bool is_aligned(const void *address, size_t bytes) { return ((size_t)address & (bytes - 1)) == 0; }

/// Four numbers of a row, at once where they lie on a multiple of 16 bytes.
APUS_DEVICE float4 load_quad(const float *from, bool isAligned) {
    if (isAligned) return *reinterpret_cast<const float4 *>(from);
    return make_float4(from[0], from[1], from[2], from[3]);
}

/// Rounds up to `count` queries to bf16; 0 for those that there are no more.
template <int size, int count> APUS_DEVICE void round_queries(u8 *to, const float *q, const Queries &queries) {
    const bool isAligned = is_aligned(q, 16);
    for (int i = (int)threadIdx.x; i < count * (size / 4); i += threads) {
        const int query = i / (size / 4), column = i % (size / 4) * 4;
        float4 quad = make_float4(0, 0, 0, 0);
        if (query < queries.count()) quad = load_quad(q + queries.line(query) * size + column, isAligned);
        *reinterpret_cast<uint2 *>(to + query * pitch<size> + column * 2) =
            make_uint2(apus_to_pair(quad.x, quad.y), apus_to_pair(quad.z, quad.w));
    }
}

/// Brings blocks of keys and of values by turns.
template <int size, int slots> struct KeyStream : Stream<KeyStream<size, slots>, slots> {
    static constexpr int blockBytes = blockKeys * pitch<size>;
    static constexpr int bytes = slots * blockBytes;
    Pages<bf16> pages;
    Seen seen;
    u32 base;
    int firstKey, count;

    /// Blocks firstBlock ..< endBlock.
    __device__ KeyStream(const Pages<bf16> &pages, const Seen &seen, u32 base, int firstBlock, int endBlock)
        : pages(pages), seen(seen), base(base), firstKey(firstBlock * blockKeys), count(2 * (endBlock - firstBlock)) {}

    /// The place of the next one, when it is there.
    __device__ u32 take(int item) const {
        Stream<KeyStream, slots>::take(item);
        return place(item % slots);
    }

    __device__ void copy(int item, int stage) const {
        if (item >= count) return;
        copy_keys<size, blockKeys>(place(stage), pages, item % 2 != 0, firstKey + item / 2 * blockKeys, seen);
    }

private:
    __device__ u32 place(int stage) const { return base + (u32)(stage * blockBytes); }
};

// MARK: Softmax

/// Scores are held in powers of two: as products that `factor` makes scores of, or capped already.
struct Scale {
    float factor, inner, outer;

    __device__ explicit Scale(const Rule &rule)
        : factor(rule.softCap > 0 ? 1.0f : rule.scale * log2e),
          inner(rule.softCap > 0 ? 2 * log2e * rule.scale / rule.softCap : 0), outer(rule.softCap * log2e) {}

    __device__ bool caps() const { return inner != 0; }
    /// tanh of the product's share of the cap.
    __device__ float share(float product) const {
        // 1 - 2 / (e^2x + 1), the quotient as a square: a division would be a dozen instructions.
        const float root = rsqrtf(apus_exp2(__fmul_rn(product, inner)) + 1.0f);
        return fmaf(-2.0f * root, root, 1.0f);
    }
};

/// The softmax of a query over some keys: the largest score, in powers of two, and the sum of weights.
struct Share {
    float largest, sum;
};

APUS_DEVICE Share no_share() { return {-APUS_INFINITY, 0}; }

/// What a new largest score does.
struct Shift {
    float reference, rest;

    __device__ Shift(float &largest, float next) : reference(next == -APUS_INFINITY ? 0 : next) {
        // The difference of equal numbers is 0 and leaves everything as it is.
        rest = apus_exp2(__fsub_rn(largest, reference));
        largest = next;
    }
};

/// What two shares' sums are multiplied by when they are combined.
struct Combination {
    float before, next;

    __device__ Combination(Share &total, const Share &share) {
        const float largest = fmaxf(total.largest, share.largest), reference = largest == -APUS_INFINITY ? 0 : largest;
        before = apus_exp2(__fsub_rn(total.largest, reference));
        next = apus_exp2(__fsub_rn(share.largest, reference));
        total = {largest, (*this)(total.sum, share.sum)};
    }

    __device__ float operator()(float total, float part) const { return fmaf(part, next, __fmul_rn(total, before)); }
};

APUS_DEVICE float log_sum_exp(const Share &share) { return fmaf(share.largest, ln2, logf(share.sum)); }

/// The sum over the four lanes that have a row of a fragment.
APUS_DEVICE float row_sum(float value) {
    value += __shfl_xor_sync(APUS_WARP, value, 1);
    return value + __shfl_xor_sync(APUS_WARP, value, 2);
}

APUS_DEVICE float row_max(float value) {
    value = fmaxf(value, __shfl_xor_sync(APUS_WARP, value, 1));
    return fmaxf(value, __shfl_xor_sync(APUS_WARP, value, 2));
}

/// Caps scores where the rule says so; keys that a row does not see get none. Fragment j is of keys firstKey + 8 j on,
/// the thread's rows are queries `first` and first + 8. `isWhole`: all see all.
template <int fragments>
APUS_DEVICE void mask(float (&scores)[fragments][4], const Scale &scale, int firstKey, const Queries &queries,
                      const Rule &rule, int first, bool isWhole) {
    if (scale.caps()) {
#pragma unroll
        for (int j = 0; j < fragments; j++) {
#pragma unroll
            for (int e = 0; e < 4; e++) scores[j][e] = __fmul_rn(scale.outer, scale.share(scores[j][e]));
        }
    }
    if (isWhole) return;
    const Seen seen[2] = {seen_by(queries, rule, first), seen_by(queries, rule, first + 8)};
    const int column = firstKey + (int)threadIdx.x % 4 * 2;
#pragma unroll
    for (int j = 0; j < fragments; j++) {
#pragma unroll
        for (int e = 0; e < 4; e++) {
            if (!seen[e / 2].has(column + j * 8 + e % 2)) scores[j][e] = -APUS_INFINITY;
        }
    }
}

/// The largest of row r's scores.
template <int fragments> APUS_DEVICE float largest_of(const float (&scores)[fragments][4], int r) {
    float most = fmaxf(scores[0][2 * r], scores[0][2 * r + 1]);
#pragma unroll
    for (int j = 1; j < fragments; j++) most = fmaxf(most, fmaxf(scores[j][2 * r], scores[j][2 * r + 1]));
    return row_max(most);
}

/// Row r's scores of 16 keys become weights; gives what the thread has of their sum.
APUS_DEVICE float weigh(float (&first)[4], float (&second)[4], int r, float factor, float reference) {
#pragma unroll
    for (int e = 2 * r; e < 2 * r + 2; e++) {
        first[e] = apus_exp2(fmaf(first[e], factor, -reference));
        second[e] = apus_exp2(fmaf(second[e], factor, -reference));
    }
    return (first[2 * r] + first[2 * r + 1]) + (second[2 * r] + second[2 * r + 1]);
}

/// Multiplies row r of a product.
template <int fragments> APUS_DEVICE void scale_row(float (&sums)[fragments][4], int r, float factor) {
#pragma unroll
    for (int j = 0; j < fragments; j++) {
        sums[j][2 * r] *= factor;
        sums[j][2 * r + 1] *= factor;
    }
}

/// Two neighbouring fragments of a product as the a of another one.
APUS_DEVICE void round_fragments(u32 (&a)[4], const float (&first)[4], const float (&second)[4]) {
    a[0] = apus_to_pair(first[0], first[1]);
    a[1] = apus_to_pair(first[2], first[3]);
    a[2] = apus_to_pair(second[0], second[1]);
    a[3] = apus_to_pair(second[2], second[3]);
}

// MARK: Results

/// Where a query's row of [line][size] lies; null for one that the tile has no more.
APUS_DEVICE float *row_of_query(float *rows, int size, const Queries &queries, int query) {
    return query < queries.count() ? rows + queries.line(query) * size : nullptr;
}

/// What the splits of a thread's two rows have come to. Sums of values lie in the result's own place meanwhile, where
/// each thread finds only what it has written.
struct Splits {
    Share totals[2] = {no_share(), no_share()};
    bool isEmpty = true;

    /// Adds a split. With `isLast` the result is complete. Rows are null where there are none; fragment j of the sums
    /// goes to the columns from `column(j)` on, or nowhere where that is below 0.
    template <int fragments, class Columns>
    __device__ void add(const float (&sums)[fragments][4], const Share (&shares)[2], float *const (&rows)[2],
                        bool isLast, Columns column) {
#pragma unroll
        for (int r = 0; r < 2; r++) {
            const Combination combine(totals[r], shares[r]);
            const float factor = isLast ? 1.0f / totals[r].sum : 1.0f;
            if (!rows[r]) continue;
#pragma unroll
            for (int j = 0; j < fragments; j++) {
                if (column(j) < 0) continue;
                float *to = rows[r] + column(j);
                const float first = combine(isEmpty ? 0 : to[0], sums[j][2 * r]);
                const float second = combine(isEmpty ? 0 : to[1], sums[j][2 * r + 1]);
                attention::store_pair(to, first * factor, second * factor);
            }
        }
        isEmpty = false;
    }
};

/// The blocks of a split that are among some.
struct SplitBlocks {
    int begin, end;

    __device__ SplitBlocks(int split, int firstBlock, int endBlock)
        : begin(max(firstBlock, split * splitBlocks)), end(min(endBlock, (split + 1) * splitBlocks)) {}
};

}  // namespace flash
