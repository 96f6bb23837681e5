internal import ApusTensor

extension TrainingPass {
    /// Whether tokens of the last forward pass are the likeliest at their places, [group][completion][token].
    ///
    /// Above one half nothing else can be likelier, so the head runs again for the other tokens alone.
    ///
    /// - Parameter isAsked: which tokens matter; the answer for others is false.
    /// - Throws: `TensorError` without memory.
    package func areLikeliest(_ isAsked: [[[Bool]]]) throws -> [[[Bool]]] {
        guard let kept, let inputs = try pages.inputs() else { preconditionFailure("no forward pass came before") }
        let asked = isAsked.flatMap { $0.flatMap { $0 } }
        precondition(asked.count == kept.targets.count, "one flag a token")
        // A logarithm that rounding may have moved across one half is looked at.
        let certain: Float = -0.69
        var answers = asked.indices.map { asked[$0] && kept.scores[$0].logProb > certain }
        let open = asked.indices.filter { asked[$0] && !answers[$0] }
        if !open.isEmpty {
            let transformer = Transformer(model: model, adapter: trained.adapter)
            let hidden = transformer.finalHidden(
                kept.batch, workspace: try reserveWorkspace(rows: kept.batch.rows), inputs: inputs)
            try transformer.forEachLogits(hidden, open.map { kept.targets[$0] }) { range, room in
                for (row, index) in open[range].enumerated() {
                    answers[index] = room.logits.rows(row..<row + 1).indexOfLargest == Int(kept.targets[index].token)
                }
            }
        }
        var rest = answers[...]
        return isAsked.map { group in
            group.map { completion in
                defer { rest = rest.dropFirst(completion.count) }
                return Array(rest.prefix(completion.count))
            }
        }
    }
}

extension Matrix {
    /// The place of the largest value, the first of equals.
    fileprivate var indexOfLargest: Int {
        withValues { values in
            var best = 0
            for index in values.indices where values[index] > values[best] { best = index }
            return best
        }
    }
}
