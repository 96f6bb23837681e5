extension GRPOLoss {
    /// The tokens that the policy term counts: all unmasked ones, or with `top_entropy_quantile` only those whose entropy is
    /// among the highest of the micro-batch. Rows that were not scored have none.
    func tokensInPolicyTerm(of rows: [LossRow]) -> [[Bool]] {
        guard configuration.topEntropyQuantile < 1 else { return rows.map(\.mask) }
        var entropies: [Double] = []
        for row in rows where row.isScored {
            entropies += zip(row.entropies, row.mask).filter(\.1).map { Double($0.0) }
        }
        guard let threshold = quantile(1 - configuration.topEntropyQuantile, of: entropies) else {
            return rows.map { $0.mask.map { _ in false } }
        }
        return rows.map { row in
            row.mask.indices.map { row.isScored && row.mask[$0] && Double(row.entropies[$0]) >= threshold }
        }
    }

    /// Whether the off-policy mask keeps a row: one of negative advantage goes when the policy has drifted too far from the one
    /// that sampled it.
    func isKept(_ row: LossRow) -> Bool {
        guard let threshold = configuration.offPolicyMaskThreshold, row.advantage < 0, let old = row.oldLogProbs else {
            return true
        }
        var drift = 0.0
        for token in row.mask.indices where row.mask[token] {
            let difference = Double(old[token]) - Double(row.logProbs[token])
            if !difference.isNaN { drift += difference }
        }
        return drift / Double(max(row.tokenCount, 1)) <= threshold
    }

    /// The quantile with linear interpolation between neighbours; `nil` of nothing.
    private func quantile(_ fraction: Double, of values: [Double]) -> Double? {
        guard !values.isEmpty else { return nil }
        let sorted = values.sorted()
        let rank = fraction * Double(sorted.count - 1)
        let below = rank.wholeNumber(in: 0...sorted.count - 1)
        let above = min(below + 1, sorted.count - 1)
        return sorted[below] + (rank - Double(below)) * (sorted[above] - sorted[below])
    }
}
