// The choice of a token from each row of logits, as transformers' generate() makes it: repetition penalty, banned tokens,
// temperature, top-k, top-p, min-p, then the inverse of the cumulative distribution in the order of the tokens.
//
// Thresholds are found bit by bit among the floats' ordered bits: 32 passes over the row in place of a sort, and no pass
// depends on any other row.
#pragma once
#include "reduce.cuh"

static const int SAMPLING_THREADS = 256;

/// One row, its probabilities over that of the likeliest token, and what its block reduces with.
struct SamplingRow {
    float *logits;
    float *shares;
    int vocabulary;
    double *parts;
};

/// The number of values, or their mass, at or above an ordered threshold.
APUS_DEVICE double sampling_above(const SamplingRow &row, u32 threshold, bool countsMass) {
    double sum = 0;
    for (int i = threadIdx.x; i < row.vocabulary; i += SAMPLING_THREADS) {
        if (apus_ordered(row.logits[i]) >= threshold) sum += countsMass ? (double)row.shares[i] : 1.0;
    }
    return apus_block_sum(sum, row.parts);
}

/// The largest threshold with at least `wanted` at or above it.
APUS_DEVICE u32 sampling_threshold(const SamplingRow &row, double wanted, bool countsMass) {
    u32 threshold = 0;
    for (int bit = 31; bit >= 0; bit--) {
        u32 candidate = threshold | 1u << bit;
        if (sampling_above(row, candidate, countsMass) >= wanted) threshold = candidate;
    }
    return threshold;
}

APUS_DEVICE void sampling_drop_below(const SamplingRow &row, u32 threshold) {
    for (int i = threadIdx.x; i < row.vocabulary; i += SAMPLING_THREADS) {
        if (apus_ordered(row.logits[i]) < threshold) row.logits[i] = -APUS_INFINITY;
    }
    __syncthreads();
}

/// Fills in the shares, and gives their sum.
APUS_DEVICE double sampling_shares(const SamplingRow &row, float largest) {
    double sum = 0;
    for (int i = threadIdx.x; i < row.vocabulary; i += SAMPLING_THREADS) {
        row.shares[i] = apus_exp(row.logits[i] - largest);
        sum += row.shares[i];
    }
    return apus_block_sum(sum, row.parts);
}

/// Keeps the smallest set with a mass; of values at its edge the last ids stay, as a stable ascending sort has it.
APUS_DEVICE void sampling_keep_mass(const SamplingRow &row, float share, float largest) {
    const double limit = share * sampling_shares(row, largest);
    __syncthreads();
    const u32 threshold = sampling_threshold(row, limit, true);
    const double above = threshold == 0xffffffffu ? 0 : sampling_above(row, threshold + 1, true);
    sampling_drop_below(row, threshold);
    // Seldom more than one value lies at the edge, and then a look at the rest of the row is all that this costs.
    if (threadIdx.x == 0) {
        double passed = above;
        bool isKept = false;
        for (int i = row.vocabulary - 1; i >= 0; i--) {
            if (apus_ordered(row.logits[i]) != threshold) continue;
            if (isKept && passed >= limit) row.logits[i] = -APUS_INFINITY;
            passed += row.shares[i];
            isKept = true;
        }
    }
    __syncthreads();
}

/// The first token at which the cumulative mass passes a share of the whole. Each thread sums a stretch of the row.
APUS_DEVICE int sampling_draw(const SamplingRow &row, double uniform, double *stretches, int *drawn) {
    const int length = (row.vocabulary + SAMPLING_THREADS - 1) / SAMPLING_THREADS;
    const int begin = threadIdx.x * length, end = min(begin + length, row.vocabulary);
    double sum = 0;
    for (int i = begin; i < end; i++) sum += row.shares[i];
    stretches[threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.x == 0) {
        double total = 0;
        for (int i = 0; i < SAMPLING_THREADS; i++) total += stretches[i];
        const double target = uniform * total;
        double passed = 0;
        int stretch = 0;
        while (stretch < SAMPLING_THREADS - 1 && passed + stretches[stretch] <= target) passed += stretches[stretch++];
        int token = -1;
        for (int i = stretch * length; i < row.vocabulary; i++) {
            if (row.shares[i] <= 0) continue;
            token = i;
            passed += row.shares[i];
            if (passed > target) break;
        }
        // Rounding may leave the target beyond the last stretch that has a mass.
        for (int i = min(stretch * length, row.vocabulary) - 1; token < 0 && i >= 0; i--) {
            if (row.shares[i] > 0) token = i;
        }
        *drawn = token;
    }
    __syncthreads();
    return *drawn;
}

/// Penalised, banned and tempered logits; the place of the largest, or -1 where the row has NaN, infinity or nothing at all.
APUS_DEVICE int sampling_prepare(
    const SamplingRow &row, const float *logits, float penalty, float temperature, const u32 *seen, const int *banned,
    int bannedCount, u64 *ranks) {
    for (int i = threadIdx.x; i < row.vocabulary; i += SAMPLING_THREADS) {
        float logit = logits[i];
        if (seen && seen[i / 32] >> (i % 32) & 1) logit = logit < 0 ? logit * penalty : logit / penalty;
        row.logits[i] = logit;
    }
    __syncthreads();
    // A token may be banned twice.
    for (int i = threadIdx.x; i < bannedCount; i += SAMPLING_THREADS) {
        apus_store_same(&row.logits[banned[i]], -APUS_INFINITY);
    }
    __syncthreads();
    u64 best = 0;
    double faults = 0;
    for (int i = threadIdx.x; i < row.vocabulary; i += SAMPLING_THREADS) {
        if (temperature != 0 && temperature != 1) row.logits[i] /= temperature;
        float logit = row.logits[i];
        if (!(logit < APUS_INFINITY)) faults += 1;
        u64 candidate = logit > -APUS_INFINITY ? apus_ranked(logit, i) : 0;
        if (candidate > best) best = candidate;
    }
    faults = apus_block_sum(faults, row.parts);
    best = apus_block_max(best, ranks);
    return faults > 0 || best == 0 ? -1 : apus_ranked_place(best);
}

/// Draws a token for each row; a block has a row.
///
/// - work: room for two rows of fp32 values for each row.
/// - rules: [rows][4], temperature, top-p, min-p, repetition penalty.
/// - places: [rows][4], top-k, line of the history or -1, first of its banned tokens, their number.
/// - history: a bit for each token of the vocabulary, `words` words a line.
/// - tokens: the drawn tokens, -1 where a row has NaN, +infinity or nothing but -infinity.
extern "C" __global__ void __launch_bounds__(SAMPLING_THREADS) apus_sample(
    const float *logits, float *work, const float *rules, const int *places, const int *banned, const double *uniforms,
    const u32 *history, int words, int *tokens, int vocabulary) {
    __shared__ double parts[SAMPLING_THREADS / 32];
    __shared__ u64 ranks[SAMPLING_THREADS / 32];
    __shared__ double stretches[SAMPLING_THREADS];
    __shared__ int drawn;
    const float *rule = rules + 4 * blockIdx.x;
    const int *place = places + 4 * blockIdx.x;
    float *room = work + 2 * (size_t)blockIdx.x * vocabulary;
    const SamplingRow row = {room, room + vocabulary, vocabulary, parts};
    const u32 *seen = place[1] >= 0 && rule[3] != 1 ? history + (size_t)place[1] * words : nullptr;
    int token = sampling_prepare(
        row, logits + (size_t)blockIdx.x * vocabulary, rule[3], rule[0], seen, banned + place[2], place[3], ranks);
    if (token >= 0 && rule[0] > 0) {
        const float largest = row.logits[token];
        __syncthreads();
        if (place[0] > 0 && place[0] < vocabulary) {
            sampling_drop_below(row, sampling_threshold(row, place[0], false));
        }
        if (rule[1] < 1) sampling_keep_mass(row, rule[1], largest);
        sampling_shares(row, largest);
        for (int i = threadIdx.x; i < vocabulary; i += SAMPLING_THREADS) {
            if (rule[2] > 0 && row.shares[i] < rule[2]) row.shares[i] = 0;
        }
        __syncthreads();
        token = sampling_draw(row, uniforms[blockIdx.x], stretches, &drawn);
    }
    if (threadIdx.x == 0) tokens[blockIdx.x] = token;
}
APUS_EXPORT(apus_sample)

/// Sets the bits of tokens in lines of the history: token i in lines[i], or in `line` where there are none.
///
/// Several tokens may have a word in common, so that one thread does it.
extern "C" __global__ void __launch_bounds__(32) apus_add_history(
    u32 *history, int words, const int *lines, int stride, int line, const int *tokens, int count) {
    if (blockIdx.x || threadIdx.x) return;
    for (int i = 0; i < count; i++) {
        int to = lines ? lines[i * stride] : line;
        int token = tokens[i];
        if (to >= 0 && token >= 0) history[(size_t)to * words + token / 32] |= 1u << (token % 32);
    }
}
APUS_EXPORT(apus_add_history)
