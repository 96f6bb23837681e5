package import ApusTensor

/// What a loss says of the scores of some targets, on the device.
struct ScoreGradients {
    let targets: HeadTargets
    /// The targets' scores, [targets][`HeadScore.width`].
    let scores: Matrix
    /// The loss's derivatives by each log-probability and each entropy, [targets][`HeadScore.gradientWidth`].
    let gradients: Matrix
    let temperature: Float
}

/// Some hidden states, their logits, and what the head's adapter projects them to.
package struct HeadRoom {
    /// [rows][hidden].
    package let states: Matrix
    /// [rows][vocabulary].
    package let logits: Matrix
    /// [rows][rank]; nil without an adapter beside the head.
    let projected: Matrix?

    /// The first rows.
    package func rows(_ count: Int) -> HeadRoom {
        HeadRoom(
            states: states.rows(0..<count), logits: logits.rows(0..<count), projected: projected?.rows(0..<count))
    }
}

extension Transformer {
    /// Logits held at a time where they are needed whole: 8 MiB.
    static let logitsAtATime = 2 << 20

    /// Room for the logits of so many rows.
    ///
    /// - Throws: `TensorError` without memory.
    package func makeHeadRoom(rows: Int) throws -> HeadRoom {
        HeadRoom(
            states: try backend.makeMatrix(rows: rows, columns: configuration.hiddenSize),
            logits: try backend.makeMatrix(rows: rows, columns: configuration.vocabularySize),
            projected: try adapter?.head.map { try backend.makeMatrix(rows: rows, columns: $0.lowRank.a.outputs) })
    }

    /// Fills in the logits of the states in a room.
    package func logits(in room: HeadRoom) {
        let beside = adapter?.head.flatMap { pair in room.projected.map { (pair.lowRank, $0) } }
        backend.logits(room.states, head: model.head, adapter: beside, into: room.logits)
    }

    /// Log-probabilities and entropies of targets, [targets][`HeadScore.width`].
    ///
    /// - Throws: `TensorError` without memory.
    func score(_ hidden: Matrix, _ targets: HeadTargets, temperature: Float) throws -> Matrix {
        let scores = try backend.makeMatrix(rows: targets.count, columns: HeadScore.width)
        guard adapter?.head != nil else {
            backend.score(hidden, targets, head: model.head, temperature: temperature, into: scores)
            return scores
        }
        try forEachLogits(hidden, targets) { range, room in
            backend.score(
                room.logits, tokens: targets[range].tokens, temperature: temperature, into: scores.rows(range))
        }
        return scores
    }

    /// Writes the gradient of each target's hidden state, [targets][hidden], and adds that of the head, or of the adapter
    /// beside it, where it is trained.
    func headBackward(_ hidden: Matrix, _ loss: ScoreGradients, into dTargets: Matrix) throws {
        guard parameters != nil || adapter?.head != nil else {
            return backend.scoreBackward(
                hidden, loss.targets, scores: loss.scores, gradients: loss.gradients, head: model.head,
                temperature: loss.temperature, into: dTargets)
        }
        // These gradients need whole rows of logits' gradients, which for small models are small.
        try forEachLogits(hidden, loss.targets) { range, room in
            backend.logitsBackward(
                room.logits, tokens: loss.targets[range].tokens, scores: loss.scores.rows(range),
                gradients: loss.gradients.rows(range), head: model.head, temperature: loss.temperature)
            parameters?.headBackward(dLogits: room.logits, hidden: room.states)
            let beside = try room.projected.flatMap { try adapter?.headGradient(projected: $0) }
            backend.linearBackward(
                [LinearGradient(dOutput: room.logits, weight: model.head.weight, adapter: beside)], input: room.states,
                dx: dTargets.rows(range), accumulate: false)
        }
    }

    /// Calls `body` with some targets at a time, their hidden states and their logits.
    func forEachLogits(
        _ hidden: Matrix, _ targets: HeadTargets, _ body: (Range<Int>, HeadRoom) throws -> Void
    ) throws {
        let count = min(targets.count, max(1, Self.logitsAtATime / model.head.weight.outputs))
        let room = try makeHeadRoom(rows: count)
        for first in stride(from: 0, to: targets.count, by: max(count, 1)) {
            let range = first..<min(first + count, targets.count)
            let part = room.rows(range.count)
            backend.gather(hidden, targets[range].rows, into: part.states)
            logits(in: part)
            try body(range, part)
        }
    }
}

extension LoRAAdapter {
    /// Where the gradients of the pair beside the head go; nil without one.
    fileprivate func headGradient(projected: Matrix) throws -> LinearGradient.Adapter? {
        try head.map { pair in
            LinearGradient.Adapter(
                lowRank: pair.lowRank, projected: projected,
                dProjected: try backend.makeMatrix(rows: projected.rows, columns: projected.columns),
                aGradient: gradient(pair.a), bGradient: gradient(pair.b), scale: pair.scale)
        }
    }
}
