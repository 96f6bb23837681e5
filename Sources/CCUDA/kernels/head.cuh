// The output head: what becomes of its products, log-probabilities with entropies, and their gradient. A block has a row.
#pragma once
#include "reduce.cuh"

static const int HEAD_THREADS = 256;

/// logits = cap(scale · products); a cap of 0 is none.
extern "C" __global__ void __launch_bounds__(HEAD_THREADS) apus_cap_logits(
    float *logits, long long count, float scale, float cap) {
    for (long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x; i < count;
         i += (long long)gridDim.x * blockDim.x) {
        float logit = logits[i] * scale;
        logits[i] = cap > 0 ? cap * tanhf(logit / cap) : logit;
    }
}
APUS_EXPORT(apus_cap_logits)

/// Scores of tokens by their rows of logits, [rows][3]: log-probability, entropy, log Σ e^z with z = logit · inverse temperature.
extern "C" __global__ void __launch_bounds__(HEAD_THREADS) apus_score(
    const float *logits, const int *tokens, float *scores, int vocabulary, float inverseTemperature) {
    __shared__ double parts[HEAD_THREADS / 32];
    const float *row = logits + (size_t)blockIdx.x * vocabulary;
    float largest = -APUS_INFINITY;
    for (int i = threadIdx.x; i < vocabulary; i += HEAD_THREADS) largest = fmaxf(largest, row[i] * inverseTemperature);
    largest = (float)apus_block_max(largest, parts);
    double sum = 0, weighted = 0;
    for (int i = threadIdx.x; i < vocabulary; i += HEAD_THREADS) {
        float distance = row[i] * inverseTemperature - largest;
        float exponential = apus_exp(distance);
        sum += exponential;
        // Nothing is left of what is infinitely unlikely; infinity times zero would be no number.
        if (exponential > 0 || exponential != exponential) weighted += (double)exponential * distance;
    }
    sum = apus_block_sum(sum, parts);
    weighted = apus_block_sum(weighted, parts);
    if (threadIdx.x) return;
    double logSum = log(sum);
    float *score = scores + 3 * (size_t)blockIdx.x;
    score[0] = (float)((double)(row[tokens[blockIdx.x]] * inverseTemperature) - (largest + logSum));
    score[1] = (float)(logSum - weighted / sum);
    score[2] = (float)(largest + logSum);
}
APUS_EXPORT(apus_score)

/// Replaces rows of logits by the gradient of dLogProb · logProb + dEntropy · entropy by the head's products; `gradients` is
/// [rows][2]. Grid: pieces of a row by rows.
extern "C" __global__ void __launch_bounds__(HEAD_THREADS) apus_logits_backward(
    float *logits, const int *tokens, const float *scores, const float *gradients, int vocabulary,
    float inverseTemperature, float scale, float cap) {
    const int row = blockIdx.y;
    float *values = logits + (size_t)row * vocabulary;
    const float entropy = scores[3 * row + 1], logSum = scores[3 * row + 2];
    const float dLogProb = gradients[2 * row], dEntropy = gradients[2 * row + 1];
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < vocabulary; i += gridDim.x * blockDim.x) {
        float logit = values[i];
        float logProb = logit * inverseTemperature - logSum;
        float probability = apus_exp(logProb);
        float gradient = -dLogProb * probability;
        if (i == tokens[row]) gradient += dLogProb;
        if (dEntropy != 0 && probability > 0) gradient -= dEntropy * probability * (logProb + entropy);
        gradient *= inverseTemperature * scale;
        if (cap > 0) gradient *= 1 - (logit / cap) * (logit / cap);
        values[i] = gradient;
    }
}
APUS_EXPORT(apus_logits_backward)

/// The place of the largest logit of each row, the first of equals.
extern "C" __global__ void __launch_bounds__(HEAD_THREADS) apus_likeliest(const float *logits, int *places, int vocabulary) {
    __shared__ u64 parts[HEAD_THREADS / 32];
    const float *row = logits + (size_t)blockIdx.x * vocabulary;
    u64 best = 0;
    for (int i = threadIdx.x; i < vocabulary; i += HEAD_THREADS) {
        u64 candidate = apus_ranked(row[i], i);
        if (candidate > best) best = candidate;
    }
    best = apus_block_max(best, parts);
    if (!threadIdx.x) places[blockIdx.x] = apus_ranked_place(best);
}
APUS_EXPORT(apus_likeliest)
