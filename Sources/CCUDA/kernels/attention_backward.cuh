// The backward pass of attention. Weights are computed again, from the scores and from what the forward pass has kept
// of its sums, log Σ e^score; nothing is added by several blocks at once. With D = dOut · out, weight p, and dOut · v
// of a key:
//
//     dScore = p (dOut · v - D);  dq = Σ dScore k;  dk = Σ dScore q;  dv = Σ p dOut, each dScore times slope and scale
//
// One pass has tiles of queries that stay and keys that come by: dq. The other one has keys that stay and the queries
// of one segment that come by: dk and dv. What a segment asks of keys before its first row goes to lines of its own,
// and a third pass adds these to the prompt's rows, segment after segment.
#pragma once
#include "attention.cuh"

namespace attention {

// MARK: Keys that stay

/// Where the gradients of keys go, [row][keyValueHead][size]; of those before the segment, [line][keys, values].
struct KeyGradients {
    float *keys, *values, *prefix;
};

/// An entry of a list: consecutive keys from `firstKey` on that the rows of a segment see.
struct KeyTile {
    Tile segment;
    /// The line of position 0 in the prefix; below 0 where nobody wants gradients of the keys before the segment.
    int firstKey, prefixLine;

    __device__ KeyTile(const int *list, int index)
        : segment(tile_at(list, index, 6)), firstKey(list[(size_t)index * 6 + 4]),
          prefixLine(list[(size_t)index * 6 + 5]) {}

    /// All keys that the segment sees.
    __device__ Seen seen(const Rule &rule) const { return {rule.first_seen(segment.firstPosition), segment.end()}; }

    /// The rows of the segment that see one of `count` keys.
    __device__ int first_row() const { return max(0, firstKey - segment.firstPosition); }
    __device__ int end_row(const Rule &rule, int count) const {
        if (rule.window <= 0) return segment.rows;
        const long long end = (long long)firstKey + count - 1 + rule.window - segment.firstPosition;
        return end < segment.rows ? max((int)end, 0) : segment.rows;
    }

    /// Where the gradients of a key and of its value go; null where there are none.
    __device__ void place(int key, const KeyGradients &gradients, int keyValueHeads, int size, float *&dk,
                          float *&dv) const {
        const size_t width = (size_t)keyValueHeads * size, column = (size_t)blockIdx.y * size;
        dk = dv = nullptr;
        if (key >= segment.end()) return;
        if (key >= segment.firstPosition) {
            const size_t row = segment.firstRow + (key - segment.firstPosition);
            dk = gradients.keys + row * width + column;
            dv = gradients.values + row * width + column;
        } else if (prefixLine >= 0) {
            dk = gradients.prefix + (size_t)(prefixLine + key) * 2 * width + column;
            dv = dk + width;
        }
    }
};

/// What queries bring: [row][head][size], and of each [row][head] its log Σ e^score and D.
template <class Element> struct QueryRows {
    const Element *q, *dOut;
    const float *logSumExp, *dots;
};

/// Writes dOut · out of every query, [row][head], and, where they are wanted, q and dOut as bf16. A warp a query. It
/// is the rounded dOut then that out is multiplied by: it meets values, too, and of one key the difference is to be
/// nothing.
APUS_DEVICE void dot_rows(const float *q, const float *out, const float *dOut, float *dots, bf16 *roundedQ,
                          bf16 *roundedDOut, int queries, int size) {
    const int query = (int)(blockIdx.x * warps + threadIdx.x / 32);
    if (query >= queries) return;
    const size_t begin = (size_t)query * size;
    float sum = 0;
    for (int d = (int)threadIdx.x % 32 * 2; d < size; d += 64) {
        const size_t i = begin + d;
        float first = dOut[i], second = dOut[i + 1];
        if (roundedQ) {
            store_pair(roundedQ + i, q[i], q[i + 1]);
            const u32 pair = apus_to_pair(first, second);
            *reinterpret_cast<u32 *>(roundedDOut + i) = pair;
            first = apus_first(pair);
            second = apus_second(pair);
        }
        sum = fmaf(first, out[i], sum);
        sum = fmaf(second, out[i + 1], sum);
    }
    sum = apus_warp_sum(sum);
    if (threadIdx.x % 32 == 0) dots[query] = sum;
}

// MARK: Plain arithmetic

/// The weight of a key for a query, and dScore.
struct WeightGradient {
    float weight, dScore;
};

APUS_DEVICE WeightGradient weight_gradient(float product, float along, float logSumExp, float dot, bool isSeen,
                                           const Rule &rule) {
    if (!isSeen) return {0, 0};
    const Score score = score_of(product, rule);
    const float weight = apus_exp(score.value - logSumExp);
    return {weight, weight * (along - dot) * score.slope};
}

/// dq of a tile's queries. `rounds` says whether the forward pass has rounded its queries to bf16.
template <class Element>
APUS_DEVICE void query_gradients(const QueryRows<float> &rows, float *dq, const Queries &queries,
                                 const Pages<Element> &pages, int size, const Rule &rule, bool rounds) {
    APUS_DYNAMIC_SHARED(float, shared);
    const int pitch = pitch_of(size), row = thread_row(), count = queries.count();
    float *query = shared, *dOut = query + side * pitch, *keys = dOut + side * pitch, *values = keys + side * pitch;
    float *weights = values + side * pitch;
    load_queries(query, pitch, rows.q, size, queries, 0, count, rounds);
    load_queries(dOut, pitch, rows.dOut, size, queries, 0, count, false);
    const Seen seen[2] = {seen_by(queries, rule, row), seen_by(queries, rule, row + 8)};
    const Seen all = {rule.first_seen(queries.tile.firstPosition), queries.tile.end()};
    float logSumExp[2], dot[2];
#pragma unroll
    for (int r = 0; r < 2; r++) {
        const size_t line = row + 8 * r < count ? queries.line(row + 8 * r) : 0;
        logSumExp[r] = rows.logSumExp[line];
        dot[r] = rows.dots[line];
    }
    Sums sums;
    for (int page = all.begin / side; page * side < all.end; page++) {
        const Element *elements = pages.page(page);
        __syncthreads();
        load_page(keys, pitch, elements, size);
        load_page(values, pitch, elements + side * size, size);
        __syncthreads();
        float products[2], along[2];
        multiply_rows(products, query, keys, pitch, size);
        multiply_rows(along, dOut, values, pitch, size);
#pragma unroll
        for (int r = 0; r < 2; r++) {
            const bool isSeen = seen[r].has(page * side + thread_column());
            weights[(row + 8 * r) * side + thread_column()] =
                weight_gradient(products[r], along[r], logSumExp[r], dot[r], isSeen, rule).dScore;
        }
        // Only the threads of the row itself read them.
        __syncwarp();
        sums.add(weights, keys, pitch, size, {in_page(seen[0], page * side), in_page(seen[1], page * side)});
    }
#pragma unroll
    for (int r = 0; r < 2; r++) {
        if (row + 8 * r < count) sums.store(r, dq + queries.line(row + 8 * r) * size, size, rule.scale);
    }
}

/// dk and dv of a page's keys, from one segment's queries, row after row.
template <class Element>
APUS_DEVICE void key_gradients(const QueryRows<float> &rows, const KeyGradients &gradients, const KeyTile &tile,
                               const Queries &queries, const Pages<Element> &pages, int keyValueHeads, int size,
                               const Rule &rule, bool rounds) {
    APUS_DYNAMIC_SHARED(float, shared);
    const int pitch = pitch_of(size), row = thread_row(), column = thread_column();
    float *keys = shared, *values = keys + side * pitch, *query = values + side * pitch, *dOut = query + side * pitch;
    float *weights = dOut + side * pitch, *dScores = weights + side * side;
    const Element *elements = pages.page(tile.firstKey / side);
    load_page(keys, pitch, elements, size);
    load_page(values, pitch, elements + side * size, size);
    const int begin = tile.first_row() * queries.tileHeads, end = tile.end_row(rule, side) * queries.tileHeads;
    const Seen everyQuery[2] = {{0, side}, {0, side}};
    Sums dk, dv;
    for (int first = begin; first < end; first += side) {
        __syncthreads();
        load_queries(query, pitch, rows.q, size, queries, first, end, rounds);
        load_queries(dOut, pitch, rows.dOut, size, queries, first, end, false);
        __syncthreads();
        float products[2], along[2];
        multiply_rows(products, keys, query, pitch, size);
        multiply_rows(along, values, dOut, pitch, size);
        const bool isInside = first + column < end;
        const size_t line = isInside ? queries.line(first + column) : 0;
        const Seen seen = isInside ? seen_by(queries, rule, first + column) : Seen{0, 0};
#pragma unroll
        for (int r = 0; r < 2; r++) {
            const WeightGradient gradient =
                weight_gradient(products[r], along[r], rows.logSumExp[line], rows.dots[line],
                                seen.has(tile.firstKey + row + 8 * r), rule);
            weights[(row + 8 * r) * side + column] = gradient.weight;
            dScores[(row + 8 * r) * side + column] = gradient.dScore;
        }
        __syncwarp();
        dv.add(weights, dOut, pitch, size, everyQuery);
        dk.add(dScores, query, pitch, size, everyQuery);
    }
#pragma unroll
    for (int r = 0; r < 2; r++) {
        float *keyTo, *valueTo;
        tile.place(tile.firstKey + row + 8 * r, gradients, keyValueHeads, size, keyTo, valueTo);
        if (!keyTo) continue;
        dk.store(r, keyTo, size, rule.scale);
        dv.store(r, valueTo, size, 1);
    }
}

// MARK: Prompts

/// Adds what segments ask of a prompt's row, one after another. An entry of `rows`: row, position, and which of
/// `children` have the row in their prompt; of `children`: line of position 0 in the prefix, positions before the
/// segment.
APUS_DEVICE void add_prefixes(const KeyGradients &gradients, const int *rows, const int *children, int width) {
    const int *entry = rows + (size_t)blockIdx.x * 4;
    const int position = entry[1];
    for (int column = (int)threadIdx.x; column < width; column += threads) {
        const size_t own = (size_t)entry[0] * width + column;
        float dk = gradients.keys[own], dv = gradients.values[own];
        for (int child = entry[2]; child < entry[3]; child++) {
            if (position >= children[2 * child + 1]) continue;
            const float *from = gradients.prefix + (size_t)(children[2 * child] + position) * 2 * width + column;
            dk += from[0];
            dv += from[width];
        }
        gradients.keys[own] = dk;
        gradients.values[own] = dv;
    }
}

}  // namespace attention


/// dOut · out of every query, and its rounded parts where there is room for them; four queries a block.
extern "C" __global__ void __launch_bounds__(128) apus_attention_dots(
    const float *q, const float *out, const float *dOut, float *dots, bf16 *roundedQ, bf16 *roundedDOut, int queries,
    int size) {
    attention::dot_rows(q, out, dOut, dots, roundedQ, roundedDOut, queries, size);
}
APUS_EXPORT(apus_attention_dots)

/// A row of a prompt a block.
extern "C" __global__ void __launch_bounds__(128) apus_attention_add_prefixes(
    float *dk, float *dv, float *prefix, const int *rows, const int *children, int width) {
    attention::add_prefixes({dk, dv, prefix}, rows, children, width);
}
APUS_EXPORT(apus_attention_add_prefixes)

/// dq: tiles of up to 16 queries as in the forward pass; blocks: tiles, heads / tileHeads. dk, dv: tiles of 16 keys,
/// entries of a segment's first row, rows, first position and table, first key and prefix line; blocks: tiles,
/// keyValueHeads.
#define APUS_ATTENTION_BACKWARD(name, Element)                                                                         \
    extern "C" __global__ void __launch_bounds__(128, 3) apus_attention_dq_##name(                                        \
        const float *q, const float *dOut, const float *logSumExp, const float *dots, float *dq, const Element *pages, \
        long long stride, const int *tables, const int *tiles, int heads, int keyValueHeads, int tileHeads, int size,  \
        float scale, float softCap, int window, int rounds) {                                                          \
        const attention::Queries queries = attention::queries_of_block(tiles, heads, tileHeads);                       \
        attention::query_gradients({q, dOut, logSumExp, dots}, dq, queries,                                            \
                                   attention::pages_of(queries, pages, stride, tables, keyValueHeads, size), size,     \
                                   {scale, softCap, window}, rounds != 0);                                             \
    }                                                                                                                  \
    APUS_EXPORT(apus_attention_dq_##name)                                                                              \
    extern "C" __global__ void __launch_bounds__(128, 3) apus_attention_dkdv_##name(                                   \
        const float *q, const float *dOut, const float *logSumExp, const float *dots, float *dk, float *dv,            \
        float *prefix, const Element *pages, long long stride, const int *tables, const int *tiles, int heads,         \
        int keyValueHeads, int size, float scale, float softCap, int window, int rounds) {                             \
        const attention::KeyTile tile(tiles, (int)blockIdx.x);                                                         \
        const int group = heads / keyValueHeads;                                                                       \
        const attention::Queries queries(tile.segment, heads, (int)blockIdx.y * group, group);                         \
        attention::key_gradients({q, dOut, logSumExp, dots}, {dk, dv, prefix}, tile, queries,                          \
                                 attention::pages_of(queries, pages, stride, tables, keyValueHeads, size),             \
                                 keyValueHeads, size, {scale, softCap, window}, rounds != 0);                          \
    }                                                                                                                  \
    APUS_EXPORT(apus_attention_dkdv_##name)

APUS_ATTENTION_BACKWARD(f32, float)
APUS_ATTENTION_BACKWARD(bf16, bf16)
