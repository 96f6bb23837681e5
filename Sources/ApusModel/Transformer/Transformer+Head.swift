internal import ApusTensor

/// What a loss says of the scores of some targets.
struct ScoreGradients {
    let targets: [HeadTarget]
    let scores: [HeadScore]
    /// The loss's derivative by each log-probability.
    let logProbs: [Float]
    /// The loss's derivative by each entropy; nil for zero.
    let entropies: [Float]?
    let temperature: Float
}

extension Transformer {
    /// Logits held at a time where they are needed whole: 8 MiB.
    static let logitsAtATime = 2 << 20

    /// Writes the gradient of each target's hidden state, [targets][hidden], and adds that of the head where it is trained.
    func headBackward(_ hidden: Matrix, _ gradients: ScoreGradients, into dTargets: Matrix) throws {
        guard let parameters else {
            return try backend.scoreBackward(
                hidden, targets: gradients.targets, scores: gradients.scores, dLogProb: gradients.logProbs,
                dEntropy: gradients.entropies, head: model.head, temperature: gradients.temperature, into: dTargets)
        }
        // The head's gradient needs whole rows of logits' gradients, which for small models are small.
        try forEachLogits(hidden, gradients.targets) { range, rows, logits in
            backend.logitsBackward(
                logits, targets: gradients.targets[range], scores: gradients.scores[range],
                dLogProb: gradients.logProbs[range], dEntropy: gradients.entropies?[range],
                head: model.head, temperature: gradients.temperature)
            parameters.headBackward(dLogits: logits, hidden: rows)
            backend.linearBackward(
                [LinearGradient(dOutput: logits, weight: model.head.weight, adapter: nil)], input: rows,
                dx: dTargets.rows(range), accumulate: false)
        }
    }

    /// Calls `body` with some targets at a time, their hidden states and their logits, [targets][vocabulary].
    func forEachLogits(
        _ hidden: Matrix, _ targets: [HeadTarget], _ body: (Range<Int>, _ rows: Matrix, _ logits: Matrix) throws -> Void
    ) throws {
        let vocabulary = model.head.weight.outputs
        let count = min(targets.count, max(1, Self.logitsAtATime / vocabulary))
        let room = try Matrix(rows: count, columns: vocabulary)
        let rows = try Matrix(rows: count, columns: hidden.columns)
        for first in stride(from: 0, to: targets.count, by: max(count, 1)) {
            let range = first..<min(first + count, targets.count)
            let (part, logits) = (rows.rows(0..<range.count), room.rows(0..<range.count))
            backend.gather(hidden, targets[range].map(\.row), into: part)
            backend.logits(part, head: model.head, into: logits)
            try body(range, part, logits)
        }
    }
}
