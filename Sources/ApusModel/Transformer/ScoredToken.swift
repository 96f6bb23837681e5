internal import ApusTensor

/// A token that is scored, and the row of hidden states that predicts it.
struct ScoredToken {
    let row: Int
    let token: Int32
}

extension Backend {
    /// Brings targets to the device.
    ///
    /// - Throws: `TensorError` without memory.
    func makeTargets(_ tokens: [ScoredToken]) throws -> HeadTargets {
        HeadTargets(
            rows: try makeIndices(tokens.map { Int32($0.row) }), tokens: try makeIndices(tokens.map(\.token)))
    }

    /// Brings scores to the device, [scores][`HeadScore.width`].
    ///
    /// - Throws: `TensorError` without memory.
    func makeScores(_ scores: [HeadScore]) throws -> Matrix {
        try makeMatrix(
            scores.flatMap { [$0.logProb, $0.entropy, $0.logSumExp] }, rows: scores.count, columns: HeadScore.width)
    }
}
