import Foundation

/// The ratios of one row: the policy that is trained against the one that sampled.
struct RatioTerms: Sendable {
    /// `c1` of each token.
    var ratios: [Double]
    /// `c1` of the row: the exponential of the mean log-ratio over counted tokens. 1 for a row without any.
    var rowRatio: Double
    /// Σ of the log-ratios, each clamped to ±20 (VESPO).
    var clampedLogRatioSum: Double

    init(row: LossRow) {
        guard let old = row.oldLogProbs, row.isScored else {
            // Nothing has moved since sampling (or nothing depends on this row): every ratio is exactly 1.
            self.init(ratios: Array(repeating: 1, count: row.mask.count), rowRatio: 1, clampedLogRatioSum: 0)
            return
        }
        let logRatios = zip(row.logProbs, old).map { Double($0) - Double($1) }
        let counted = zip(logRatios, row.mask).filter(\.1).map(\.0)
        self.init(
            ratios: logRatios.map { exp($0) },
            rowRatio: exp(counted.reduce(0, +) / Double(max(counted.count, 1))),
            clampedLogRatioSum: counted.reduce(0) { $0 + min(max($1, -20), 20) })
    }

    private init(ratios: [Double], rowRatio: Double, clampedLogRatioSum: Double) {
        self.ratios = ratios
        self.rowRatio = rowRatio
        self.clampedLogRatioSum = clampedLogRatioSum
    }
}
