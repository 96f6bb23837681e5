// The forward pass of attention on tensor cores; see flash.cuh. Tiles have two shapes: 64 queries, of which each warp
// has 16, and 16 queries that four warps share, each with a quarter of a block's keys and then some of the values'
// columns. Both add the same numbers in the same order, so a query's bits are the same from either.
#pragma once
#include "flash.cuh"

namespace flash {

// MARK: 64 queries

template <int size>
APUS_DEVICE void attend(const float *q, float *out, float *logSumExp, const Queries &queries, const Pages<bf16> &pages,
                        const Rule &rule) {
    APUS_DYNAMIC_SHARED(u8, shared);
    constexpr int steps = size / 16, fragments = size / 8;
    // Queries are kept in registers where these are enough, and come through the place of the first values then.
    constexpr bool isKept = size <= 128;
    using Keys = KeyStream<size, 2>;
    constexpr int queryOffset = (isKept ? 1 : 2) * Keys::blockBytes;
    const u32 base = apus_shared_address(shared);
    const Tile tile = queries.tile;
    const Seen all = {rule.first_seen(tile.firstPosition), tile.end()};
    const int firstBlock = all.begin / blockKeys, endBlock = (all.end + blockKeys - 1) / blockKeys;
    const Keys stream(pages, all, base, firstBlock, endBlock);
    stream.begin();
    round_queries<size, 64>(shared + queryOffset, q, queries);
    __syncthreads();

    const int warp = (int)threadIdx.x / 32, ownQuery = warp * 16 + (int)threadIdx.x % 32 / 4;
    const u32 ownQueries = base + queryOffset + (u32)(warp * 16 * pitch<size>) + fragment_of_rows<size>();
    u32 query[isKept ? steps : 1][4];
    if constexpr (isKept) {
#pragma unroll
        for (int k = 0; k < steps; k++) apus_ldmatrix(query[k], ownQueries + (u32)k * 32);
    }
    const Scale scale(rule);
    // Keys that all of the tile's queries see.
    const Seen whole = {rule.first_seen(tile.end() - 1), tile.firstPosition + 1};
    const bool isUsed = warp * 16 < queries.count();
    Splits splits;
    for (int split = firstBlock / splitBlocks; split * splitBlocks < endBlock; split++) {
        const SplitBlocks blocks(split, firstBlock, endBlock);
        float largest[2] = {-APUS_INFINITY, -APUS_INFINITY}, quarters[2][4] = {}, sums[fragments][4] = {};
        for (int block = blocks.begin; block < blocks.end; block++) {
            const int firstKey = block * blockKeys;
            const u32 keys = stream.take(2 * (block - firstBlock)) + fragment_of_columns<size>();
            u32 weights[4][4] = {};
            if (isUsed) {
                float scores[8][4] = {};
#pragma unroll
                for (int k = 0; k < steps; k++) {
                    u32(&own)[4] = query[isKept ? k : 0];
                    if constexpr (!isKept) apus_ldmatrix(own, ownQueries + (u32)k * 32);
#pragma unroll
                    for (int j = 0; j < 4; j++) {
                        u32 b[4];
                        apus_ldmatrix(b, keys + (u32)(j * 16 * pitch<size> + k * 32));
                        apus_mma(scores[2 * j], own, b[0], b[1]);
                        apus_mma(scores[2 * j + 1], own, b[2], b[3]);
                    }
                }
                mask(scores, scale, firstKey, queries, rule, ownQuery,
                     whole.has(firstKey) && whole.has(firstKey + blockKeys - 1));
#pragma unroll
                for (int r = 0; r < 2; r++) {
                    const float most = __fmul_rn(largest_of(scores, r), scale.factor);
                    const Shift shift(largest[r], fmaxf(largest[r], most));
#pragma unroll
                    for (int i = 0; i < 4; i++) {
                        const float sum = weigh(scores[2 * i], scores[2 * i + 1], r, scale.factor, shift.reference);
                        quarters[r][i] = fmaf(quarters[r][i], shift.rest, sum);
                    }
                    scale_row(sums, r, shift.rest);
                }
#pragma unroll
                for (int k = 0; k < 4; k++) round_fragments(weights[k], scores[2 * k], scores[2 * k + 1]);
            }
            const u32 values = stream.take(2 * (block - firstBlock) + 1) + fragment_of_rows<size>();
            if (!isUsed) continue;
#pragma unroll
            for (int k = 0; k < 4; k++) {
#pragma unroll
                for (int j = 0; j < steps; j++) {
                    u32 b[4];
                    apus_ldmatrix_transposed(b, values + (u32)(k * 16 * pitch<size> + j * 32));
                    apus_mma(sums[2 * j], weights[k], b[0], b[1]);
                    apus_mma(sums[2 * j + 1], weights[k], b[2], b[3]);
                }
            }
        }
        if (!isUsed) continue;
        Share shares[2];
#pragma unroll
        for (int r = 0; r < 2; r++) {
            const float(&parts)[4] = quarters[r];
            shares[r] = {largest[r], row_sum((parts[0] + parts[1]) + (parts[2] + parts[3]))};
        }
        float *const rows[2] = {row_of_query(out, size, queries, ownQuery),
                                row_of_query(out, size, queries, ownQuery + 8)};
        splits.add(sums, shares, rows, blocks.end == endBlock,
                   [](int j) { return j * 8 + (int)threadIdx.x % 4 * 2; });
    }
    if (!logSumExp || threadIdx.x % 4 != 0) return;
#pragma unroll
    for (int r = 0; r < 2; r++) {
        const int own = ownQuery + 8 * r;
        if (own < queries.count()) logSumExp[queries.line(own)] = log_sum_exp(splits.totals[r]);
    }
}

// MARK: 16 queries

/// Where splits that different blocks take are kept, of a block's queries [tile][blockIdx.y][query][split].
struct Parts {
    float *sums, *shares;
    int queries, splits;

    __device__ size_t line(int query, int split) const {
        return (((size_t)blockIdx.x * gridDim.y + blockIdx.y) * queries + query) * splits + split;
    }
};

/// With `parts` a block takes one split alone, the one of blockIdx.z.
template <int size>
APUS_DEVICE void decode(const float *q, float *out, float *logSumExp, const Queries &queries, const Pages<bf16> &pages,
                        const Rule &rule, const Parts &parts) {
    APUS_DYNAMIC_SHARED(u8, shared);
    constexpr int steps = size / 16, ownSteps = (steps + warps - 1) / warps;
    using Keys = KeyStream<size, size <= 128 ? 3 : 2>;
    constexpr int queryOffset = Keys::bytes, weightOffset = queryOffset + 16 * pitch<size>;
    float *largestOfWarps = reinterpret_cast<float *>(shared + weightOffset + 16 * pitch<blockKeys>);
    float *sumsOfWarps = largestOfWarps + warps * 16;

    const Tile tile = queries.tile;
    const Seen all = {rule.first_seen(tile.firstPosition), tile.end()};
    int firstBlock = all.begin / blockKeys, endBlock = (all.end + blockKeys - 1) / blockKeys;
    if (parts.sums) {
        const SplitBlocks own((int)blockIdx.z, firstBlock, endBlock);
        if (own.begin >= own.end) return;
        firstBlock = own.begin;
        endBlock = own.end;
    }
    const u32 base = apus_shared_address(shared);
    const Keys stream(pages, all, base, firstBlock, endBlock);
    stream.begin();
    round_queries<size, 16>(shared + queryOffset, q, queries);
    __syncthreads();

    const int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32, row = lane / 4, column = lane % 4 * 2;
    u32 query[steps][4];
#pragma unroll
    for (int k = 0; k < steps; k++) {
        apus_ldmatrix(query[k], base + queryOffset + fragment_of_rows<size>() + (u32)k * 32);
    }
    const Seen whole = {rule.first_seen(tile.end() - 1), tile.firstPosition + 1};
    const Scale scale(rule);
    // Of the warp's fragments of sums, 2 i and the next: their columns over 16.
    const auto step = [warp](int i) { return warp + i * warps; };
    Splits splits;
    for (int split = firstBlock / splitBlocks; split * splitBlocks < endBlock; split++) {
        const SplitBlocks blocks(split, firstBlock, endBlock);
        float largest[2] = {-APUS_INFINITY, -APUS_INFINITY}, quarter[2] = {}, sums[2 * ownSteps][4] = {};
        for (int block = blocks.begin; block < blocks.end; block++) {
            const int firstKey = block * blockKeys;
            const u32 keys = stream.take(2 * (block - firstBlock)) + (u32)(warp * 16 * pitch<size>);
            float scores[2][4] = {};
#pragma unroll
            for (int k = 0; k < steps; k++) {
                u32 b[4];
                apus_ldmatrix(b, keys + fragment_of_columns<size>() + (u32)k * 32);
                apus_mma(scores[0], query[k], b[0], b[1]);
                apus_mma(scores[1], query[k], b[2], b[3]);
            }
            mask(scores, scale, firstKey + warp * 16, queries, rule, row,
                 whole.has(firstKey) && whole.has(firstKey + blockKeys - 1));
#pragma unroll
            for (int r = 0; r < 2; r++) {
                const float most = __fmul_rn(largest_of(scores, r), scale.factor);
                if (lane % 4 == 0) largestOfWarps[warp * 16 + row + 8 * r] = most;
            }
            __syncthreads();
#pragma unroll
            for (int r = 0; r < 2; r++) {
                float next = largest[r];
#pragma unroll
                for (int w = 0; w < warps; w++) next = fmaxf(next, largestOfWarps[w * 16 + row + 8 * r]);
                const Shift shift(largest[r], next);
                const float sum = weigh(scores[0], scores[1], r, scale.factor, shift.reference);
                quarter[r] = fmaf(quarter[r], shift.rest, sum);
#pragma unroll
                for (int j = 0; j < 2; j++) {
                    u8 *to = shared + weightOffset + (row + 8 * r) * pitch<blockKeys>;
                    to += (warp * 16 + j * 8 + column) * 2;
                    *reinterpret_cast<u32 *>(to) = apus_to_pair(scores[j][2 * r], scores[j][2 * r + 1]);
                }
                scale_row(sums, r, shift.rest);
            }
            // Its barrier shows the weights to all warps, too.
            const u32 values = stream.take(2 * (block - firstBlock) + 1) + fragment_of_rows<size>();
#pragma unroll
            for (int k = 0; k < 4; k++) {
                u32 weights[4];
                apus_ldmatrix(weights, base + weightOffset + fragment_of_rows<blockKeys>() + (u32)k * 32);
#pragma unroll
                for (int i = 0; i < ownSteps; i++) {
                    if (step(i) >= steps) continue;
                    u32 b[4];
                    apus_ldmatrix_transposed(b, values + (u32)(k * 16 * pitch<size> + step(i) * 32));
                    apus_mma(sums[2 * i], weights, b[0], b[1]);
                    apus_mma(sums[2 * i + 1], weights, b[2], b[3]);
                }
            }
        }
#pragma unroll
        for (int r = 0; r < 2; r++) sumsOfWarps[(r * warps + warp) * 32 + lane] = quarter[r];
        __syncthreads();
        Share shares[2];
        float *rows[2];
#pragma unroll
        for (int r = 0; r < 2; r++) {
            const float *own = sumsOfWarps + r * warps * 32 + lane;
            shares[r] = {largest[r], row_sum((own[0] + own[32]) + (own[64] + own[96]))};
            rows[r] = row_of_query(out, size, queries, row + 8 * r);
            if (rows[r] && parts.sums) rows[r] = parts.sums + parts.line(row + 8 * r, split) * size;
        }
        splits.add(sums, shares, rows, blocks.end == endBlock && !parts.sums,
                   [&](int j) { return step(j / 2) < steps ? step(j / 2) * 16 + j % 2 * 8 + column : -1; });
    }
    if (warp > 0 || lane % 4 != 0) return;
#pragma unroll
    for (int r = 0; r < 2; r++) {
        const Share &total = splits.totals[r];
        const int own = row + 8 * r;
        if (own >= queries.count()) continue;
        if (parts.sums) {
            attention::store_pair(parts.shares + parts.line(own, (int)blockIdx.z) * 2, total.largest, total.sum);
        } else if (logSumExp) {
            logSumExp[queries.line(own)] = log_sum_exp(total);
        }
    }
}

/// A warp a query.
APUS_DEVICE void combine(float *out, float *logSumExp, const Queries &queries, int size, const Rule &rule,
                         const Parts &parts) {
    const Tile tile = queries.tile;
    const int firstSplit = rule.first_seen(tile.firstPosition) / splitKeys;
    const int endSplit = (tile.end() + splitKeys - 1) / splitKeys;
    for (int query = (int)threadIdx.x / 32; query < queries.count(); query += warps) {
        const size_t line = queries.line(query);
        for (int column = (int)threadIdx.x % 32; column < size; column += 32) {
            Share total = no_share();
            float value = 0;
            for (int split = firstSplit; split < endSplit; split++) {
                const size_t part = parts.line(query, split);
                const Combination combine(total, {parts.shares[2 * part], parts.shares[2 * part + 1]});
                value = combine(value, parts.sums[part * size + column]);
            }
            out[line * size + column] = value * (1.0f / total.sum);
            if (column == 0 && logSumExp) logSumExp[line] = log_sum_exp(total);
        }
    }
}

}  // namespace flash

/// Attention on tensor cores, for the head size in the name. `attend`: tiles of up to 64 queries, rows times
/// tileHeads; blocks: tiles, heads / tileHeads. `decode`: tiles of up to 16; with `sums`, which has room for
/// [block][queries][splits][size], and `shares`, [block][queries][splits][2], of as many queries as the largest tile
/// has, blocks also: splits; and `apus_flash_combine` has to follow.
#define APUS_FLASH(size)                                                                                               \
    extern "C" __global__ void __launch_bounds__(128) apus_flash_attend_##size(                                        \
        const float *q, float *out, float *logSumExp, const bf16 *pages, long long stride, const int *tables,          \
        const int *tiles, int heads, int keyValueHeads, int tileHeads, float scale, float softCap, int window) {       \
        const attention::Queries queries = attention::queries_of_block(tiles, heads, tileHeads);                       \
        flash::attend<size>(q, out, logSumExp, queries,                                                                \
                            attention::pages_of(queries, pages, stride, tables, keyValueHeads, size),                  \
                            {scale, softCap, window});                                                                 \
    }                                                                                                                  \
    APUS_EXPORT(apus_flash_attend_##size)                                                                              \
    extern "C" __global__ void __launch_bounds__(128) apus_flash_decode_##size(                                        \
        const float *q, float *out, float *logSumExp, const bf16 *pages, long long stride, const int *tables,          \
        const int *tiles, int heads, int keyValueHeads, int tileHeads, float scale, float softCap, int window,         \
        float *sums, float *shares, int queriesOfTile, int splits) {                                                   \
        const attention::Queries queries = attention::queries_of_block(tiles, heads, tileHeads);                       \
        flash::decode<size>(q, out, logSumExp, queries,                                                                \
                            attention::pages_of(queries, pages, stride, tables, keyValueHeads, size),                  \
                            {scale, softCap, window}, {sums, shares, queriesOfTile, splits});                          \
    }                                                                                                                  \
    APUS_EXPORT(apus_flash_decode_##size)

APUS_FLASH(16)
APUS_FLASH(32)
APUS_FLASH(64)
APUS_FLASH(80)
APUS_FLASH(96)
APUS_FLASH(128)
APUS_FLASH(256)

extern "C" __global__ void __launch_bounds__(128) apus_flash_combine(
    float *out, float *logSumExp, const int *tiles, int heads, int tileHeads, int size, int window, float *sums,
    float *shares, int queriesOfTile, int splits) {
    flash::combine(out, logSumExp, attention::queries_of_block(tiles, heads, tileHeads), size, {1, 0, window},
                   {sums, shares, queriesOfTile, splits});
}
APUS_EXPORT(apus_flash_combine)
