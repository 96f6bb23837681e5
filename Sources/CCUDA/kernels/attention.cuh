// Attention over pages of 16 positions: what is written into them, and the forward pass. The files that this one
// includes hold the forward pass on tensor cores and the backward pass.
//
// A page of a layer holds, one key/value head after another, 16 keys and then 16 values. A block of threads takes a
// tile of queries through the keys that they see: some consecutive rows of one sequence and, of each, heads that share
// a key/value head, so that what is brought from a page serves all of them. A query's keys are always cut at the same
// positions, and a cut that it sees nothing of leaves its sums as they are: its bits depend on no other query of the
// tile.
#pragma once
#include "dialect.h"

namespace attention {

constexpr int threads = 128;
constexpr int warps = threads / 32;
constexpr int pageTokens = 16;

// MARK: Queries and keys

/// Consecutive rows of one sequence. The numbers of its pages begin at `table` in the tables.
struct Tile {
    int firstRow, rows, firstPosition, table;

    __device__ int end() const { return firstPosition + rows; }
};

/// The integers of an entry of a list.
APUS_DEVICE Tile tile_at(const int *list, int index, int entry = 4) {
    const int *numbers = list + (size_t)index * entry;
    return {numbers[0], numbers[1], numbers[2], numbers[3]};
}

/// What makes a score of q · k. Without a soft cap, or without a window, that is 0.
struct Rule {
    float scale, softCap;
    int window;

    /// The first key that the query at a position sees. The last one is its own.
    __device__ int first_seen(int position) const {
        return window > 0 && position >= window ? position + 1 - window : 0;
    }
};

/// The queries of a tile's rows, row by row, `tileHeads` heads of each from `firstHead` on.
struct Queries {
    Tile tile;
    int heads, firstHead, tileHeads;
    /// 2^32 / tileHeads, rounded up.
    u32 inverse;

    __device__ Queries(const Tile &tile, int heads, int firstHead, int tileHeads)
        : tile(tile), heads(heads), firstHead(firstHead), tileHeads(tileHeads),
          inverse(tileHeads > 1 ? 0xffffffffu / (u32)tileHeads + 1 : 0) {}

    __device__ int count() const { return tile.rows * tileHeads; }
    /// Exact as long as query · tileHeads is below 2^32.
    __device__ int row(int query) const { return tileHeads == 1 ? query : (int)__umulhi((u32)query, inverse); }
    __device__ int position(int query) const { return tile.firstPosition + row(query); }
    /// Where a query lies among all, [row][head].
    __device__ size_t line(int query) const {
        const int own = row(query);
        return (size_t)(tile.firstRow + own) * heads + firstHead + (query - own * tileHeads);
    }
};

/// A layer's pages for one key/value head.
template <class Element> struct Pages {
    const Element *base;
    /// Elements from a page to the next.
    long long stride;
    const int *table;

    __device__ Pages(const Element *layer, long long stride, const int *table, int keyValueHead, int size)
        : base(layer + (size_t)keyValueHead * (2 * pageTokens * size)), stride(stride), table(table) {}

    /// The keys of the positions from 16 `index` on. Values come after them.
    __device__ const Element *page(int index) const { return base + (size_t)table[index] * stride; }
};

/// The keys that one query sees.
struct Seen {
    int begin, end;

    __device__ bool has(int key) const { return key >= begin && key < end; }
};

/// None for a query that the tile has no more.
APUS_DEVICE Seen seen_by(const Queries &queries, const Rule &rule, int query) {
    if (query >= queries.count()) return {0, 0};
    const int position = queries.position(query);
    return {rule.first_seen(position), position + 1};
}

// MARK: Writing

APUS_DEVICE void store_pair(float *to, float first, float second) {
    to[0] = first;
    to[1] = second;
}

APUS_DEVICE void store_pair(bf16 *to, float first, float second) {
    *reinterpret_cast<u32 *>(to) = apus_to_pair(first, second);
}

/// Entry e of the block's: row rows[e] goes to slot slots[e].
template <class Element>
APUS_DEVICE void write(const float *keys, const float *values, Element *layer, long long stride, const int *rows,
                       const int *slots, int keyValueHeads, int size) {
    const int slot = slots[blockIdx.x], width = keyValueHeads * size;
    const size_t row = (size_t)rows[blockIdx.x] * width;
    Element *page = layer + (size_t)(slot / pageTokens) * stride + slot % pageTokens * size;
    for (int column = 2 * (int)threadIdx.x; column < width; column += 2 * threads) {
        const int head = column / size;
        Element *to = page + (size_t)head * (2 * pageTokens * size) + (column - head * size);
        store_pair(to, keys[row + column], keys[row + column + 1]);
        store_pair(to + pageTokens * size, values[row + column], values[row + column + 1]);
    }
}

// MARK: Plain arithmetic

// Tiles of 16 queries meet pages of 16 keys in fp32: a thread has, of 16 by 16 scores, two, and of 16 rows of sums two
// rows' quads of columns.

constexpr int side = pageTokens;
constexpr int quadsOfThread = 4;

APUS_DEVICE int thread_row() { return (int)threadIdx.x / side; }
APUS_DEVICE int thread_column() { return (int)threadIdx.x % side; }

/// From a row to the next in shared memory, in fp32 values: an odd number of quads, so that eight rows' quads lie in
/// different banks. Values after the head's own are 0.
APUS_DEVICE int pitch_of(int size) { return ((size + 3) / 4 | 1) * 4; }

APUS_DEVICE float to_float(float value) { return value; }
APUS_DEVICE float to_float(bf16 value) { return apus_to_float(value); }

/// The queries from `first` on, as they are or as bf16 holds them; 0 for those that there are no more.
APUS_DEVICE void load_queries(float *to, int pitch, const float *from, int size, const Queries &queries, int first,
                              int count, bool rounds) {
    const int warp = (int)threadIdx.x / 32;
    const float *rows[side / warps];
#pragma unroll
    for (int i = 0; i < side / warps; i++) {
        const int query = first + warp + i * warps;
        rows[i] = query < count ? from + queries.line(query) * size : nullptr;
    }
#pragma unroll 1
    for (int d = (int)threadIdx.x % 32; d < pitch; d += 32) {
#pragma unroll
        for (int i = 0; i < side / warps; i++) {
            const float value = rows[i] && d < size ? rows[i][d] : 0.0f;
            to[(warp + i * warps) * pitch + d] = rounds ? apus_to_float(apus_to_bf16(value)) : value;
        }
    }
}

/// The keys, or values, of a page, also those that nobody sees: what they give is not used, whatever they are.
template <class Element> APUS_DEVICE void load_page(float *to, int pitch, const Element *from, int size) {
    const int warp = (int)threadIdx.x / 32;
#pragma unroll 1
    for (int d = (int)threadIdx.x % 32; d < pitch; d += 32) {
#pragma unroll
        for (int i = 0; i < side / warps; i++) {
            const int row = warp + i * warps;
            to[row * pitch + d] = d < size ? to_float(from[row * size + d]) : 0.0f;
        }
    }
}

/// The products of a's rows r and r + 8 with b's row c, for the thread's r and c.
APUS_DEVICE void multiply_rows(float (&products)[2], const float *a, const float *b, int pitch, int size) {
    const float4 *first = reinterpret_cast<const float4 *>(a + thread_row() * pitch), *second = first + 2 * pitch;
    const float4 *other = reinterpret_cast<const float4 *>(b + thread_column() * pitch);
    float4 sums[2] = {make_float4(0, 0, 0, 0), make_float4(0, 0, 0, 0)};
#pragma unroll 4
    for (int quad = 0; quad < (size + 3) / 4; quad++) {
        const float4 y = other[quad];
#pragma unroll
        for (int r = 0; r < 2; r++) {
            const float4 x = r == 0 ? first[quad] : second[quad];
            sums[r].x = fmaf(x.x, y.x, sums[r].x);
            sums[r].y = fmaf(x.y, y.y, sums[r].y);
            sums[r].z = fmaf(x.z, y.z, sums[r].z);
            sums[r].w = fmaf(x.w, y.w, sums[r].w);
        }
    }
#pragma unroll
    for (int r = 0; r < 2; r++) products[r] = (sums[r].x + sums[r].y) + (sums[r].z + sums[r].w);
}

/// Two rows' quads of columns: quad i of a thread is the one of number c + 16 i.
struct Sums {
    float4 quads[2][quadsOfThread];

    __device__ Sums() {
#pragma unroll
        for (int r = 0; r < 2; r++) {
#pragma unroll
            for (int i = 0; i < quadsOfThread; i++) quads[r][i] = make_float4(0, 0, 0, 0);
        }
    }

    __device__ void scale(int r, float factor) {
#pragma unroll
        for (int i = 0; i < quadsOfThread; i++) {
            quads[r][i].x *= factor;
            quads[r][i].y *= factor;
            quads[r][i].z *= factor;
            quads[r][i].w *= factor;
        }
    }

    /// Adds rows of b, weighted. Those outside `seen` do not even meet a 0, for they may be no numbers.
    __device__ void add(const float *weights, const float *b, int pitch, int size, const Seen (&seen)[2]) {
#pragma unroll 2
        for (int i = 0; i < side; i++) {
            float weight[2];
#pragma unroll
            for (int r = 0; r < 2; r++) weight[r] = weights[(thread_row() + 8 * r) * side + i];
#pragma unroll
            for (int q = 0; q < quadsOfThread; q++) {
                const int quad = thread_column() + side * q;
                if (4 * quad >= size) continue;
                const float4 y = reinterpret_cast<const float4 *>(b + i * pitch)[quad];
#pragma unroll
                for (int r = 0; r < 2; r++) {
                    if (!seen[r].has(i)) continue;
                    float4 &sum = quads[r][q];
                    sum.x = fmaf(weight[r], y.x, sum.x);
                    sum.y = fmaf(weight[r], y.y, sum.y);
                    sum.z = fmaf(weight[r], y.z, sum.z);
                    sum.w = fmaf(weight[r], y.w, sum.w);
                }
            }
        }
    }

    /// Writes row r of the thread's two, multiplied.
    __device__ void store(int r, float *to, int size, float factor) const {
#pragma unroll
        for (int q = 0; q < quadsOfThread; q++) {
            const int column = 4 * (thread_column() + side * q);
            const float4 sum = quads[r][q];
            if (column < size) store_pair(to + column, sum.x * factor, sum.y * factor);
            if (column + 2 < size) store_pair(to + column + 2, sum.z * factor, sum.w * factor);
        }
    }
};

/// A score and its derivative by scale · q · k.
struct Score {
    float value, slope;
};

APUS_DEVICE Score score_of(float product, const Rule &rule) {
    const float score = __fmul_rn(product, rule.scale);
    if (rule.softCap <= 0) return {score, 1.0f};
    const float share = tanhf(score / rule.softCap);
    return {__fmul_rn(share, rule.softCap), 1.0f - share * share};
}

/// The seen keys of a page, counted from its first one.
APUS_DEVICE Seen in_page(const Seen &seen, int firstKey) { return {seen.begin - firstKey, seen.end - firstKey}; }

// MARK: Forward

/// The largest of the 16 threads of a row.
APUS_DEVICE float row_max(float value) {
    for (int distance = side / 2; distance > 0; distance /= 2) {
        value = fmaxf(value, __shfl_xor_sync(APUS_WARP, value, distance));
    }
    return value;
}

APUS_DEVICE float row_sum(float value) {
    for (int distance = side / 2; distance > 0; distance /= 2) value += __shfl_xor_sync(APUS_WARP, value, distance);
    return value;
}

/// Softmax page by page: what has been summed is scaled down where a larger score comes.
template <class Element>
APUS_DEVICE void forward(const float *q, float *out, float *logSumExp, const Queries &queries,
                         const Pages<Element> &pages, int size, const Rule &rule) {
    APUS_DYNAMIC_SHARED(float, shared);
    const int pitch = pitch_of(size), row = thread_row();
    float *query = shared, *keys = query + side * pitch, *values = keys + side * pitch;
    float *weights = values + side * pitch;
    load_queries(query, pitch, q, size, queries, 0, queries.count(), false);
    const Seen seen[2] = {seen_by(queries, rule, row), seen_by(queries, rule, row + 8)};
    const Seen all = {rule.first_seen(queries.tile.firstPosition), queries.tile.end()};
    float largest[2] = {-APUS_INFINITY, -APUS_INFINITY}, sum[2] = {0, 0};
    Sums sums;
    for (int page = all.begin / side; page * side < all.end; page++) {
        const Element *elements = pages.page(page);
        __syncthreads();
        load_page(keys, pitch, elements, size);
        load_page(values, pitch, elements + side * size, size);
        __syncthreads();
        float products[2];
        multiply_rows(products, query, keys, pitch, size);
#pragma unroll
        for (int r = 0; r < 2; r++) {
            const bool isSeen = seen[r].has(page * side + thread_column());
            const float score = isSeen ? score_of(products[r], rule).value : -APUS_INFINITY;
            const float most = row_max(fmaxf(largest[r], score)), reference = most == -APUS_INFINITY ? 0 : most;
            const float weight = apus_exp(score - reference), rest = apus_exp(largest[r] - reference);
            sum[r] = fmaf(sum[r], rest, weight);
            sums.scale(r, rest);
            largest[r] = most;
            weights[(row + 8 * r) * side + thread_column()] = weight;
        }
        // Only the threads of the row itself read them.
        __syncwarp();
        sums.add(weights, values, pitch, size, {in_page(seen[0], page * side), in_page(seen[1], page * side)});
    }
#pragma unroll
    for (int r = 0; r < 2; r++) {
        const float total = row_sum(sum[r]);
        if (row + 8 * r >= queries.count()) continue;
        const size_t line = queries.line(row + 8 * r);
        sums.store(r, out + line * size, size, 1.0f / total);
        if (logSumExp && thread_column() == 0) logSumExp[line] = largest[r] + logf(total);
    }
}

/// The queries of a block: tile blockIdx.x of the list, heads from blockIdx.y · tileHeads on.
APUS_DEVICE Queries queries_of_block(const int *tiles, int heads, int tileHeads) {
    return Queries(tile_at(tiles, (int)blockIdx.x), heads, (int)blockIdx.y * tileHeads, tileHeads);
}

/// The pages of a block's queries.
template <class Element>
APUS_DEVICE Pages<Element> pages_of(const Queries &queries, const Element *layer, long long stride, const int *tables,
                                    int keyValueHeads, int size) {
    return Pages<Element>(layer, stride, tables + queries.tile.table,
                          queries.firstHead / (queries.heads / keyValueHeads), size);
}

}  // namespace attention

// Pages: keys and values of a layer, `stride` elements apart. Tiles: entries of first row, rows, first position and
// table.

/// Keys and values of rows into their slots; a block an entry. Head sizes are even.
#define APUS_WRITE_PAGES(kernel, Element)                                                                              \
    extern "C" __global__ void __launch_bounds__(128) kernel(                                                          \
        const float *keys, const float *values, Element *pages, long long stride, const int *rows, const int *slots,   \
        int keyValueHeads, int size) {                                                                                 \
        attention::write(keys, values, pages, stride, rows, slots, keyValueHeads, size);                               \
    }                                                                                                                  \
    APUS_EXPORT(kernel)

/// Attention in fp32, for head sizes that are even, of up to 256. Tiles have up to 16 queries, rows times tileHeads.
/// Blocks: tiles, heads / tileHeads.
#define APUS_ATTENTION(kernel, Element)                                                                                \
    extern "C" __global__ void __launch_bounds__(128, 4) kernel(                                                       \
        const float *q, float *out, float *logSumExp, const Element *pages, long long stride, const int *tables,       \
        const int *tiles, int heads, int keyValueHeads, int tileHeads, int size, float scale, float softCap,           \
        int window) {                                                                                                  \
        const attention::Queries queries = attention::queries_of_block(tiles, heads, tileHeads);                       \
        attention::forward(q, out, logSumExp, queries,                                                                 \
                           attention::pages_of(queries, pages, stride, tables, keyValueHeads, size), size,             \
                           {scale, softCap, window});                                                                  \
    }                                                                                                                  \
    APUS_EXPORT(kernel)

APUS_WRITE_PAGES(apus_write_pages_f32, float)
APUS_WRITE_PAGES(apus_write_pages_bf16, bf16)
APUS_ATTENTION(apus_attention_f32, float)
APUS_ATTENTION(apus_attention_bf16, bf16)

#include "attention_backward.cuh"
#include "flash_backward.cuh"
#include "flash_forward.cuh"
