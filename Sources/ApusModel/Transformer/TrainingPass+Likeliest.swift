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
        let scores = try model.backend.scores(in: kept.scores)
        var answers = asked.indices.map { asked[$0] && scores[$0].logProb > certain }
        let open = asked.indices.filter { asked[$0] && !answers[$0] }
        if !open.isEmpty {
            let transformer = Transformer(model: model, adapter: trained.adapter)
            let hidden = transformer.finalHidden(
                kept.pass, workspace: try reserveWorkspace(rows: kept.pass.rows), inputs: inputs)
            let targets = try model.backend.makeTargets(open.map { kept.targets[$0] })
            try transformer.forEachLogits(hidden, targets) { range, room in
                for (index, token) in zip(open[range], try model.backend.likeliest(room.logits)) {
                    answers[index] = token == kept.targets[index].token
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
