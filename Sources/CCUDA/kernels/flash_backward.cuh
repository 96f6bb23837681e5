// The backward pass of attention on tensor cores; see attention_backward.cuh and flash.cuh. 64 queries, or keys, stay,
// of which each warp has 16; 32 of the others come by at a time, and the next 32 are on their way meanwhile.
#pragma once
#include "attention_backward.cuh"
#include "flash.cuh"

namespace flash {

using attention::KeyGradients;
using attention::KeyTile;
using attention::QueryRows;

// MARK: Tensor cores

constexpr int streamed = 32;

/// Begins to bring the queries from `first` on to `to`, and dOut's rows to `toDOut`; 0 for those from `end` on.
template <int size, int count>
APUS_DEVICE void copy_queries(u32 to, u32 toDOut, const QueryRows<bf16> &rows, const Queries &queries, int first,
                              int end) {
    constexpr int rowChunks = size / 8;
    constexpr int chunks = count * rowChunks;
#pragma unroll
    for (int i = 0; i < (chunks + threads - 1) / threads; i++) {
        const int chunk = i * threads + (int)threadIdx.x, row = chunk / rowChunks, column = chunk % rowChunks;
        if (chunks % threads != 0 && chunk >= chunks) break;
        const bool isInside = first + row < end;
        const size_t from = (isInside ? queries.line(first + row) * size : 0) + column * 8;
        const u32 offset = (u32)(row * pitch<size> + column * 16);
        apus_copy_async(to + offset, rows.q + from, isInside);
        apus_copy_async(toDOut + offset, rows.dOut + from, isInside);
    }
}

/// Products of 16 rows that stay with 32 that come: of x with u's, of y with w's. `x(a, k)` loads a fragment.
template <int size, class X, class Y>
APUS_DEVICE void multiply_streamed(float (&products)[4][4], float (&along)[4][4], X x, Y y, u32 u, u32 w) {
#pragma unroll
    for (int k = 0; k < size / 16; k++) {
        u32 a[4], other[4], b[4];
        x(a, k);
        y(other, k);
#pragma unroll
        for (int j = 0; j < 2; j++) {
            const u32 offset = (u32)(j * 16 * pitch<size> + k * 32);
            apus_ldmatrix(b, u + offset);
            apus_mma(products[2 * j], a, b[0], b[1]);
            apus_mma(products[2 * j + 1], a, b[2], b[3]);
            apus_ldmatrix(b, w + offset);
            apus_mma(along[2 * j], other, b[0], b[1]);
            apus_mma(along[2 * j + 1], other, b[2], b[3]);
        }
    }
}

/// sums += weights · u, for 16 rows that stay and 32 that come.
template <int size>
APUS_DEVICE void add_streamed(float (&sums)[size / 8][4], const float (&weights)[4][4], u32 u) {
#pragma unroll
    for (int k = 0; k < 2; k++) {
        u32 a[4], b[4];
        round_fragments(a, weights[2 * k], weights[2 * k + 1]);
#pragma unroll
        for (int j = 0; j < size / 16; j++) {
            apus_ldmatrix_transposed(b, u + (u32)(k * 16 * pitch<size> + j * 32));
            apus_mma(sums[2 * j], a, b[0], b[1]);
            apus_mma(sums[2 * j + 1], a, b[2], b[3]);
        }
    }
}

/// A product becomes a weight, and dOut · v becomes dScore.
APUS_DEVICE void weigh_gradient(float &product, float &along, float logSumExp, float dot, bool isSeen,
                                const Scale &scale) {
    float slope = 1, score = product;
    if (scale.caps()) {
        const float share = scale.share(product);
        score = __fmul_rn(scale.outer, share);
        slope = 1.0f - share * share;
    }
    const float weight = isSeen ? apus_exp2(fmaf(score, scale.factor, -logSumExp)) : 0.0f;
    product = weight;
    along = isSeen ? weight * (along - dot) * slope : 0.0f;
}

/// dq of up to 64 queries; a warp has 16 of them.
template <int size>
APUS_DEVICE void query_gradients(const QueryRows<bf16> &rows, float *dq, const Queries &queries,
                                 const Pages<bf16> &pages, const Rule &rule) {
    APUS_DYNAMIC_SHARED(u8, shared);
    constexpr int steps = size / 16, blockBytes = streamed * pitch<size>;
    // Two places for keys and two for values. Queries come through them into registers.
    const u32 keys = apus_shared_address(shared), values = keys + 2 * blockBytes;
    const int warp = (int)threadIdx.x / 32, ownQuery = warp * 16 + (int)threadIdx.x % 32 / 4, count = queries.count();
    copy_queries<size, 64>(keys, values, rows, queries, 0, count);
    apus_copy_commit();
    apus_copy_wait<0>();
    __syncthreads();
    u32 query[steps][4], dOut[steps][4];
    const u32 own = (u32)(warp * 16 * pitch<size>) + fragment_of_rows<size>();
#pragma unroll
    for (int k = 0; k < steps; k++) {
        apus_ldmatrix(query[k], keys + own + (u32)k * 32);
        apus_ldmatrix(dOut[k], values + own + (u32)k * 32);
    }
    const Seen seen[2] = {seen_by(queries, rule, ownQuery), seen_by(queries, rule, ownQuery + 8)};
    float logSumExp[2], dot[2];
#pragma unroll
    for (int r = 0; r < 2; r++) {
        const size_t line = ownQuery + 8 * r < count ? queries.line(ownQuery + 8 * r) : 0;
        logSumExp[r] = rows.logSumExp[line] * log2e;
        dot[r] = rows.dots[line];
    }
    const Tile tile = queries.tile;
    const Seen all = {rule.first_seen(tile.firstPosition), tile.end()};
    const Scale scale(rule);
    const auto fetch = [&](int block) {
        if (block * streamed < all.end) {
            const u32 place = (u32)(block % 2 * blockBytes);
            copy_keys<size, streamed>(keys + place, pages, false, block * streamed, all);
            copy_keys<size, streamed>(values + place, pages, true, block * streamed, all);
        }
        apus_copy_commit();
    };
    __syncthreads();
    int block = all.begin / streamed;
    fetch(block);
    float sums[size / 8][4] = {};
    for (; block * streamed < all.end; block++) {
        apus_copy_wait<0>();
        __syncthreads();
        fetch(block + 1);
        if (warp * 16 >= count) continue;
        const u32 place = (u32)(block % 2 * blockBytes);
        const int firstKey = block * streamed + (int)threadIdx.x % 4 * 2;
        float products[4][4] = {}, along[4][4] = {};
        multiply_streamed<size>(
            products, along, [&](u32(&a)[4], int k) { for (int i = 0; i < 4; i++) a[i] = query[k][i]; },
            [&](u32(&a)[4], int k) { for (int i = 0; i < 4; i++) a[i] = dOut[k][i]; },
            keys + place + fragment_of_columns<size>(), values + place + fragment_of_columns<size>());
#pragma unroll
        for (int j = 0; j < 4; j++) {
#pragma unroll
            for (int e = 0; e < 4; e++) {
                weigh_gradient(products[j][e], along[j][e], logSumExp[e / 2], dot[e / 2],
                               seen[e / 2].has(firstKey + j * 8 + e % 2), scale);
            }
        }
        add_streamed<size>(sums, along, keys + place + fragment_of_rows<size>());
    }
#pragma unroll
    for (int r = 0; r < 2; r++) {
        float *to = row_of_query(dq, size, queries, ownQuery + 8 * r);
        if (!to) continue;
        to += (int)threadIdx.x % 4 * 2;
#pragma unroll
        for (int j = 0; j < size / 8; j++) {
            attention::store_pair(to + j * 8, sums[j][2 * r] * rule.scale, sums[j][2 * r + 1] * rule.scale);
        }
    }
}

/// dk and dv of 64 keys, from one segment's queries, row after row; a warp has 16 keys.
template <int size>
APUS_DEVICE void key_gradients(const QueryRows<bf16> &rows, const KeyGradients &gradients, const KeyTile &tile,
                               const Queries &queries, const Pages<bf16> &pages, int keyValueHeads, const Rule &rule) {
    APUS_DYNAMIC_SHARED(u8, shared);
    constexpr int keyBytes = blockKeys * pitch<size>, blockBytes = streamed * pitch<size>;
    const u32 keys = apus_shared_address(shared), values = keys + keyBytes;
    // Two places for queries, for dOut and for what is known of each query.
    const u32 query = values + keyBytes, dOut = query + 2 * blockBytes;
    float *logSumExp = reinterpret_cast<float *>(shared + 2 * keyBytes + 4 * blockBytes);
    float *dot = logSumExp + 2 * streamed;
    int *position = reinterpret_cast<int *>(dot + 2 * streamed);

    copy_keys<size, blockKeys>(keys, pages, false, tile.firstKey, tile.seen(rule));
    copy_keys<size, blockKeys>(values, pages, true, tile.firstKey, tile.seen(rule));
    const int begin = tile.first_row() * queries.tileHeads, end = tile.end_row(rule, blockKeys) * queries.tileHeads;
    const auto fetch = [&](int first, int place) {
        if (first < end) {
            copy_queries<size, streamed>(query + (u32)(place * blockBytes), dOut + (u32)(place * blockBytes), rows,
                                         queries, first, end);
            const int i = (int)threadIdx.x;
            if (i < streamed) {
                const bool isInside = first + i < end;
                const size_t line = isInside ? queries.line(first + i) : 0;
                logSumExp[place * streamed + i] = rows.logSumExp[line] * log2e;
                dot[place * streamed + i] = rows.dots[line];
                // Before all keys: it sees none.
                position[place * streamed + i] = isInside ? queries.position(first + i) : -1;
            }
        }
        apus_copy_commit();
    };
    fetch(begin, 0);
    const int warp = (int)threadIdx.x / 32, row = (int)threadIdx.x % 32 / 4, column = (int)threadIdx.x % 4 * 2;
    const int ownKey = tile.firstKey + warp * 16 + row;
    const u32 own = (u32)(warp * 16 * pitch<size>) + fragment_of_rows<size>();
    const Scale scale(rule);
    float dk[size / 8][4] = {}, dv[size / 8][4] = {};
    for (int first = begin, place = 0; first < end; first += streamed, place ^= 1) {
        apus_copy_wait<0>();
        __syncthreads();
        fetch(first + streamed, place ^ 1);
        const u32 ownQueries = query + (u32)(place * blockBytes), ownDOut = dOut + (u32)(place * blockBytes);
        float products[4][4] = {}, along[4][4] = {};
        multiply_streamed<size>(
            products, along, [&](u32(&a)[4], int k) { apus_ldmatrix(a, keys + own + (u32)k * 32); },
            [&](u32(&a)[4], int k) { apus_ldmatrix(a, values + own + (u32)k * 32); },
            ownQueries + fragment_of_columns<size>(), ownDOut + fragment_of_columns<size>());
#pragma unroll
        for (int j = 0; j < 4; j++) {
#pragma unroll
            for (int e = 0; e < 4; e++) {
                const int i = place * streamed + j * 8 + column + e % 2, key = ownKey + e / 2 * 8;
                const bool isSeen = key <= position[i] && key >= rule.first_seen(position[i]);
                weigh_gradient(products[j][e], along[j][e], logSumExp[i], dot[i], isSeen, scale);
            }
        }
        add_streamed<size>(dv, products, ownDOut + fragment_of_rows<size>());
        add_streamed<size>(dk, along, ownQueries + fragment_of_rows<size>());
    }
    // Where no query has come, keys are still under way.
    apus_copy_wait<0>();
#pragma unroll
    for (int r = 0; r < 2; r++) {
        float *keyTo, *valueTo;
        tile.place(ownKey + 8 * r, gradients, keyValueHeads, size, keyTo, valueTo);
        if (!keyTo) continue;
#pragma unroll
        for (int j = 0; j < size / 8; j++) {
            attention::store_pair(keyTo + j * 8 + column, dk[j][2 * r] * rule.scale, dk[j][2 * r + 1] * rule.scale);
            attention::store_pair(valueTo + j * 8 + column, dv[j][2 * r], dv[j][2 * r + 1]);
        }
    }
}

}  // namespace flash

/// The same on tensor cores, with rounded q and dOut: tiles of up to 64 queries, of 64 keys.
#define APUS_FLASH_BACKWARD(size)                                                                                      \
    extern "C" __global__ void __launch_bounds__(128) apus_flash_dq_##size(                                            \
        const bf16 *q, const bf16 *dOut, const float *logSumExp, const float *dots, float *dq, const bf16 *pages,      \
        long long stride, const int *tables, const int *tiles, int heads, int keyValueHeads, int tileHeads,            \
        float scale, float softCap, int window) {                                                                      \
        const attention::Queries queries = attention::queries_of_block(tiles, heads, tileHeads);                       \
        flash::query_gradients<size>({q, dOut, logSumExp, dots}, dq, queries,                                          \
                                     attention::pages_of(queries, pages, stride, tables, keyValueHeads, size),         \
                                     {scale, softCap, window});                                                        \
    }                                                                                                                  \
    APUS_EXPORT(apus_flash_dq_##size)                                                                                  \
    extern "C" __global__ void __launch_bounds__(128) apus_flash_dkdv_##size(                                          \
        const bf16 *q, const bf16 *dOut, const float *logSumExp, const float *dots, float *dk, float *dv,              \
        float *prefix, const bf16 *pages, long long stride, const int *tables, const int *tiles, int heads,            \
        int keyValueHeads, float scale, float softCap, int window) {                                                   \
        const attention::KeyTile tile(tiles, (int)blockIdx.x);                                                         \
        const int group = heads / keyValueHeads;                                                                       \
        const attention::Queries queries(tile.segment, heads, (int)blockIdx.y * group, group);                         \
        flash::key_gradients<size>({q, dOut, logSumExp, dots}, {dk, dv, prefix}, tile, queries,                        \
                                   attention::pages_of(queries, pages, stride, tables, keyValueHeads, size),           \
                                   keyValueHeads, {scale, softCap, window});                                           \
    }                                                                                                                  \
    APUS_EXPORT(apus_flash_dkdv_##size)

APUS_FLASH_BACKWARD(16)
APUS_FLASH_BACKWARD(32)
APUS_FLASH_BACKWARD(64)
APUS_FLASH_BACKWARD(96)
APUS_FLASH_BACKWARD(128)
