import Foundation

extension GRPOLoss {
    /// What TRL logs about a micro-batch, in its order.
    func metrics(of batch: LossBatch, terms: [RatioTerms]) -> [(name: String, value: Double)] {
        var result: [(name: String, value: Double)] = []
        let rows = batch.rows
        if configuration.beta != 0 {
            let kl = zip(rows, terms).map { row, terms in klDivergences(row, terms) }
            result.append(("kl", tokenMean(kl, in: batch)))
        }
        // Rows that were not scored have no entropy: the mean is over the others, so that skipping work that cannot change
        // the policy does not pull the metric towards 0. A micro-batch without any counted token gives 0, as in TRL.
        var scored = batch
        scored.rows = rows.filter { $0.isScored || $0.tokenCount == 0 }
        if !scored.rows.isEmpty {
            result.append(("entropy", tokenMean(scored.rows.map { $0.entropies.map(Double.init) }, in: scored)))
        }
        if configuration.lossType.clipsRatio {
            result += clipMetrics(batch, terms)
        } else if configuration.lossType == .cispo {
            let cap = configuration.epsilonHigh ?? configuration.epsilon
            let capped = flags(batch, terms) { ratio, advantage in ratio > cap && advantage > 0 }
            result.append(("cispo_clip_ratio", mean(capped, in: batch)))
        } else if configuration.lossType == .vespo {
            let weights = zip(rows, terms).map { row, terms in vespoWeight(terms, row.advantage) }
            result.append(("vespo/phi_seq_mean", weights.reduce(0, +) / Double(rows.count)))
        }
        return result
    }

    private func klDivergences(_ row: LossRow, _ terms: RatioTerms) -> [Double] {
        guard row.isScored, let reference = row.referenceLogProbs else { return row.mask.map { _ in 0 } }
        return row.mask.indices.map { token in
            let difference = Double(reference[token]) - Double(row.logProbs[token])
            let k3 = exp(difference) - difference - 1
            guard configuration.useBiasCorrectionKL else { return k3 }
            return k3 * (isSequenceLevel ? terms.rowRatio : terms.ratios[token])
        }
    }

    private func clipMetrics(_ batch: LossBatch, _ terms: [RatioTerms]) -> [(name: String, value: Double)] {
        let floor = 1 - configuration.epsilon
        let ceiling = 1 + (configuration.epsilonHigh ?? configuration.epsilon)
        let bound = configuration.delta ?? .infinity
        let low = flags(batch, terms) { ratio, advantage in min(ratio, bound) < floor && advantage < 0 }
        let high = flags(batch, terms) { ratio, advantage in min(ratio, bound) > ceiling && advantage > 0 }
        let region = zip(low, high).map { zip($0, $1).map { max($0, $1) } }
        var metrics = [
            (name: "clip_ratio/low_mean", value: mean(low, in: batch)),
            (name: "clip_ratio/high_mean", value: mean(high, in: batch)),
            (name: "clip_ratio/region_mean", value: mean(region, in: batch)),
        ]
        // Of no counted token there is none; TRL logs NaN, which JSON does not know.
        if let least = rowMeans(low, in: batch).min() { metrics.append(("clip_ratio/low_min", least)) }
        if let most = rowMeans(high, in: batch).max() { metrics.append(("clip_ratio/high_max", most)) }
        return metrics
    }

    /// 1 where a condition on ratio and advantage holds: one value a token, or one a row at sequence level.
    private func flags(
        _ batch: LossBatch, _ terms: [RatioTerms], _ holds: (_ ratio: Double, _ advantage: Double) -> Bool
    ) -> [[Double]] {
        zip(batch.rows, terms).map { row, terms in
            let ratios = isSequenceLevel ? [terms.rowRatio] : terms.ratios
            return ratios.map { holds($0, row.advantage) ? 1 : 0 }
        }
    }

    private func mean(_ values: [[Double]], in batch: LossBatch) -> Double {
        isSequenceLevel ? values.reduce(0) { $0 + $1[0] } / Double(values.count) : tokenMean(values, in: batch)
    }

    /// The mean over counted tokens; 0 without any. Rows of one token are averaged as rows, empty ones as 0.
    private func tokenMean(_ values: [[Double]], in batch: LossBatch) -> Double {
        var sum = 0.0
        var count = 0
        for (row, values) in zip(batch.rows, values) {
            for token in row.mask.indices where row.mask[token] { sum += values[token] }
            count += row.tokenCount
        }
        return sum / Double(batch.paddedLength == 1 ? batch.rows.count : max(count, 1))
    }

    /// One mean a row. At token level rows without a counted token are left out.
    private func rowMeans(_ values: [[Double]], in batch: LossBatch) -> [Double] {
        if isSequenceLevel { return values.map { $0[0] } }
        return zip(batch.rows, values).compactMap { row, values in
            guard row.tokenCount > 0 else { return batch.paddedLength == 1 ? 0 : nil }
            return zip(values, row.mask).reduce(0) { $0 + ($1.1 ? $1.0 : 0) } / Double(row.tokenCount)
        }
    }
}
