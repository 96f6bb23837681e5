internal import ApusTensor

/// What the policy says of one completion's tokens.
public struct TokenScores: Sendable, Equatable {
    /// Log-probability of each token under the tempered distribution.
    public var logProbs: [Float]
    /// Entropy of the distribution at each token, in nats.
    public var entropies: [Float]

    /// Scores, one a token.
    public init(logProbs: [Float], entropies: [Float]) {
        self.logProbs = logProbs
        self.entropies = entropies
    }
}

/// Scores completions under a model and its adapter, and takes gradients back to the adapter.
///
/// Prompts appear once a group, rows are packed, and what the backward pass needs is one row a token and layer.
public final class TrainingPass {
    private let model: LanguageModel
    private let adapter: LoRAAdapter?
    private var workspace: Workspace?
    private var cache: KeyValueCache?
    private var inputs: LayerInputs?
    private var kept: Kept?

    /// What a forward pass leaves for the backward pass.
    private struct Kept {
        let batch: PackedBatch
        let targets: [HeadTarget]
        let scores: [HeadScore]
        let hidden: Matrix
        let temperature: Float
    }

    /// A pass for one model and adapter.
    public init(model: LanguageModel, adapter: LoRAAdapter?) {
        self.model = model
        self.adapter = adapter
    }

    /// Log-probabilities and entropies of completions, [group][completion].
    ///
    /// - Parameters:
    ///   - temperature: divides the logits.
    ///   - adapterEnabled: false scores under the base model (the reference policy).
    /// - Throws: `ModelError` for an empty prompt or a token outside the vocabulary; `TensorError` without memory.
    public func score(
        _ groups: [TokenGroup], temperature: Float = 1, adapterEnabled: Bool = true
    ) throws -> [[TokenScores]] {
        kept = nil
        let run = try run(groups, temperature: temperature, adapterEnabled: adapterEnabled, training: false)
        return Self.arrange(run.scores, groups)
    }

    /// Like `score`, keeping what `backward` needs.
    ///
    /// - Throws: What `score` throws.
    public func forward(_ groups: [TokenGroup], temperature: Float = 1) throws -> [[TokenScores]] {
        kept = nil
        let run = try run(groups, temperature: temperature, adapterEnabled: true, training: true)
        kept = run
        return Self.arrange(run.scores, groups)
    }

    /// Adds to the adapter's gradients the derivative of Σ g · logProb + h · entropy over the last forward pass's tokens.
    ///
    /// - Parameters:
    ///   - logProbGradients: g, [group][completion][token].
    ///   - entropyGradients: h in the same shape; nil for zero.
    /// - Throws: `TensorError` without memory.
    public func backward(_ logProbGradients: [[[Float]]], entropyGradients: [[[Float]]]? = nil) throws {
        guard let kept, let workspace, let cache, let inputs else {
            preconditionFailure("backward without a forward pass")
        }
        defer { self.kept = nil }
        let g = logProbGradients.flatMap { $0.flatMap { $0 } }
        let h = entropyGradients.map { $0.flatMap { $0.flatMap { $0 } } }
        precondition(g.count == kept.targets.count && (h?.count ?? g.count) == g.count, "one gradient a token")
        let live = g.indices.filter { g[$0] != 0 || (h?[$0] ?? 0) != 0 }
        guard !live.isEmpty else { return }
        let targets = live.map { kept.targets[$0] }
        let dTargets = try Matrix(rows: live.count, columns: kept.hidden.columns)
        try model.backend.scoreBackward(
            kept.hidden, targets: targets, scores: live.map { kept.scores[$0] }, dLogProb: live.map { g[$0] },
            dEntropy: h.map { h in live.map { h[$0] } }, head: model.head, temperature: kept.temperature,
            into: dTargets)
        // The final hidden states are spent: their memory takes the gradient.
        let dHidden = kept.hidden
        dHidden.clear()
        model.backend.scatterAdd(dTargets, targets.map(\.row), into: dHidden)
        try Transformer(model: model, adapter: adapter).backward(
            kept.batch, cache: cache, workspace: workspace, inputs: inputs, dHidden: dHidden)
    }

    private func run(
        _ groups: [TokenGroup], temperature: Float, adapterEnabled: Bool, training: Bool
    ) throws -> Kept {
        try check(groups)
        let (batch, targets, pages) = PackedBatch.packing(groups)
        let (workspace, cache) = try reserve(rows: batch.rows, pages: pages)
        let inputs = training ? try reserveInputs(rows: batch.rows) : nil
        var hidden = try Transformer(model: model, adapter: adapterEnabled ? adapter : nil).forward(
            batch, cache: cache, workspace: workspace, keep: inputs)
        let scores = try model.backend.score(hidden, targets: targets, head: model.head, temperature: temperature)
        if let inputs {
            let final = inputs.hidden(batch.rows)
            model.backend.copy(hidden, into: final)
            hidden = final
        }
        return Kept(batch: batch, targets: targets, scores: scores, hidden: hidden, temperature: temperature)
    }

    private func check(_ groups: [TokenGroup]) throws(ModelError) {
        for group in groups {
            guard !group.prompt.isEmpty else { throw ModelError("prompt: wanted at least one token, found none") }
            let limit = Int32(model.configuration.vocabularySize)
            for tokens in [group.prompt] + group.completions {
                if let token = tokens.first(where: { $0 < 0 || $0 >= limit }) {
                    throw ModelError(
                        "token \(token): wanted one below \(limit); the tokenizer belongs to another model")
                }
            }
        }
    }

    /// Buffers grow to the largest batch seen and are reused.
    private func reserve(rows: Int, pages: Int) throws -> (Workspace, KeyValueCache) {
        let current = workspace.flatMap { $0.capacity >= rows ? $0 : nil }
        workspace = nil
        let space =
            try current
            ?? Workspace(
                model.configuration, rank: adapter?.configuration.rank ?? 0, capacity: rows, training: true)
        let held = cache.flatMap { $0.pages >= pages ? $0 : nil }
        cache = nil
        let pageCache = try held ?? KeyValueCache(shape: model.cacheShape, pages: pages)
        (workspace, cache) = (space, pageCache)
        return (space, pageCache)
    }

    private func reserveInputs(rows: Int) throws -> LayerInputs {
        if let inputs, inputs.capacity >= rows { return inputs }
        inputs = nil
        let made = try LayerInputs(
            layers: model.configuration.layerCount, capacity: rows, width: model.configuration.hiddenSize)
        inputs = made
        return made
    }

    private static func arrange(_ scores: [HeadScore], _ groups: [TokenGroup]) -> [[TokenScores]] {
        var next = 0
        return groups.map { group in
            group.completions.map { completion in
                let part = scores[next..<next + completion.count]
                next += completion.count
                return TokenScores(logProbs: part.map(\.logProb), entropies: part.map(\.entropy))
            }
        }
    }
}
