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
/// Prompts appear once a group, rows are packed, and what the backward pass needs is one row a token and layer. Rows that
/// the sampler kept in shared pages are used as they are: then training has no forward pass.
package final class TrainingPass {
    let model: LanguageModel
    let trained: Trained
    /// What the reference policy is made of beside the model; nil where that is the model alone.
    private let reference: LoRAAdapter?
    let pages: PageStore
    private var workspace: Workspace?
    private(set) var kept: Kept?
    /// Rows that go through a feed-forward network together, for tests; nil for what suits the width.
    package var feedForwardRows: Int?
    /// Passes through the model, for tests.
    package private(set) var forwardPasses = 0

    /// What the backward pass starts from; its pages are owned until then.
    struct Kept {
        let pass: Pass
        let targets: [ScoredToken]
        /// The targets' scores, [targets][`HeadScore.width`].
        let scores: Matrix
        let tables: [GroupTables]
        let temperature: Float
    }

    /// A pass for one model and adapter, with pages of its own.
    package convenience init(model: LanguageModel, adapter: LoRAAdapter?) {
        self.init(
            model: model, trained: adapter.map(Trained.adapter) ?? .frozen,
            pages: PageStore(model: model, contents: .training(.recompute)))
    }

    /// A pass over pages that it may share with a sampler.
    ///
    /// - Parameters:
    ///   - trained: what gradients are taken to.
    ///   - reference: a frozen adapter, beside which the model is the reference policy; nil for the model alone.
    package init(model: LanguageModel, trained: Trained, reference: LoRAAdapter? = nil, pages: PageStore) {
        precondition(pages.contents != .keysAndValues, "the backward pass starts from layer inputs")
        self.model = model
        self.trained = trained
        self.reference = reference
        self.pages = pages
    }

    /// Log-probabilities and entropies of completions, [group][completion].
    ///
    /// - Parameters:
    ///   - temperature: divides the logits.
    ///   - policy: whose log-probabilities they are.
    /// - Throws: `ModelError` for an empty prompt or a token outside the vocabulary; `MemoryShortage` for more rows than the
    ///   memory budget holds; `TensorError` without memory.
    package func score(
        _ groups: [TokenGroup], temperature: Float = 1, under policy: ScoringPolicy = .current
    ) throws -> [[TokenScores]] {
        letGo()
        try check(groups)
        let run = try run(
            groups, temperature: temperature, adapter: policy == .current ? trained.adapter : reference,
            keepsInputs: false)
        releasePages(of: run)
        return try arrange(run.scores, groups)
    }

    /// Like `score`, keeping what `backward` needs. Completions that the sampler kept, all of them, cost nothing.
    ///
    /// - Throws: What `score` throws.
    package func forward(_ groups: [TokenGroup], temperature: Float = 1) throws -> [[TokenScores]] {
        letGo()
        try check(groups)
        let run =
            if let rows = pages.keptRows(of: groups, adapter: trained.adapter, temperature: temperature) {
                try takeOver(rows.tables, rows.scores, groups, temperature)
            } else {
                try run(groups, temperature: temperature, adapter: trained.adapter, keepsInputs: true)
            }
        kept = run
        return try arrange(run.scores, groups)
    }

    /// Adds to the trained parameters' gradients the derivative of Σ g · logProb + h · entropy over the last forward pass's tokens.
    ///
    /// - Parameters:
    ///   - logProbGradients: g, [group][completion][token].
    ///   - entropyGradients: h in the same shape; nil for zero.
    /// - Throws: `TensorError` without memory.
    package func backward(_ logProbGradients: [[[Float]]], entropyGradients: [[[Float]]]? = nil) throws {
        guard let kept, let inputs = try pages.inputs() else { preconditionFailure("backward without a forward pass") }
        defer { letGo() }
        guard let loss = try liveGradients(logProbGradients, entropyGradients, of: kept) else { return }
        let workspace = try reserveWorkspace(rows: kept.pass.rows)
        let transformer = Transformer(model: model, adapter: trained.adapter, parameters: trained.parameters)
        let hidden = transformer.finalHidden(kept.pass, workspace: workspace, inputs: inputs)
        // The residual stream is recalled later. A token of the prompt has one row and a target for each completion, so there
        // may be more targets than rows.
        let count = loss.targets.count
        let dTargets =
            count <= workspace.capacity
            ? workspace.residual(count) : try model.backend.makeMatrix(rows: count, columns: hidden.columns)
        try transformer.headBackward(hidden, loss, into: dTargets)
        let dHidden = workspace.dNormed(kept.pass.rows)
        model.backend.fill(dHidden, with: 0)
        model.backend.scatterAdd(dTargets, loss.targets.rows, into: dHidden)
        try transformer.backward(
            kept.pass, cache: try pages.cache(), workspace: workspace, inputs: inputs, dHidden: dHidden)
    }

    /// The targets that the loss says something of, with what it says; nil for none.
    private func liveGradients(
        _ logProbs: [[[Float]]], _ entropies: [[[Float]]]?, of kept: Kept
    ) throws -> ScoreGradients? {
        let g = logProbs.flatMap { $0.flatMap { $0 } }
        let h = entropies.map { $0.flatMap { $0.flatMap { $0 } } }
        precondition(g.count == kept.targets.count && (h?.count ?? g.count) == g.count, "one gradient a token")
        let live = g.indices.filter { g[$0] != 0 || (h?[$0] ?? 0) != 0 }
        guard !live.isEmpty else { return nil }
        let backend = model.backend
        let scores = try backend.makeMatrix(rows: live.count, columns: HeadScore.width)
        backend.gather(kept.scores, try backend.makeIndices(live.map(Int32.init)), into: scores)
        return ScoreGradients(
            targets: try backend.makeTargets(live.map { kept.targets[$0] }), scores: scores,
            gradients: try backend.makeMatrix(
                live.flatMap { [g[$0], h?[$0] ?? 0] }, rows: live.count, columns: HeadScore.gradientWidth),
            temperature: kept.temperature)
    }

    /// Runs the model over the groups in freshly taken pages.
    private func run(
        _ groups: [TokenGroup], temperature: Float, adapter: LoRAAdapter?, keepsInputs: Bool
    ) throws -> Kept {
        let tables = try pages.takeTables(for: groups)
        do {
            let (batch, targets) = PackedBatch.packing(groups, tables: tables)
            forwardPasses += 1
            let transformer = Transformer(model: model, adapter: adapter)
            let (cache, inputs) = (try pages.cache(), keepsInputs ? try pages.inputs() : nil)
            let pass = try makingRoom {
                try transformer.prepare(
                    batch, cache: cache, inputs: inputs, isScored: true, isTraining: keepsInputs)
            }
            let hidden = try transformer.forward(
                pass, tokens: batch.tokens, cache: cache, workspace: try reserveWorkspace(rows: batch.rows),
                keep: inputs)
            let scores = try transformer.score(
                hidden, try model.backend.makeTargets(targets), temperature: temperature)
            return Kept(pass: pass, targets: targets, scores: scores, tables: tables, temperature: temperature)
        } catch {
            pages.release(tables.flatMap(\.all))
            throw error
        }
    }

    /// Uses rows that are there already.
    private func takeOver(
        _ tables: [GroupTables], _ scores: [HeadScore], _ groups: [TokenGroup], _ temperature: Float
    ) throws -> Kept {
        // They stay when kept rollouts are let go.
        pages.retain(tables.flatMap(\.all))
        do {
            let (batch, targets) = PackedBatch.packing(groups, tables: tables)
            let pass = try makingRoom {
                try Transformer(model: model, adapter: trained.adapter)
                    .prepare(batch, cache: pages.cache(), inputs: pages.inputs(), isScored: true, isTraining: true)
            }
            return Kept(
                pass: pass, targets: targets, scores: try model.backend.makeScores(scores), tables: tables,
                temperature: temperature)
        } catch {
            pages.release(tables.flatMap(\.all))
            throw error
        }
    }

    private func letGo() {
        if let kept { releasePages(of: kept) }
        kept = nil
    }

    private func releasePages(of run: Kept) { pages.release(run.tables.flatMap(\.all)) }

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

    /// Grows to the largest batch seen and is reused.
    func reserveWorkspace(rows: Int) throws -> Workspace {
        if let workspace, workspace.capacity >= rows { return workspace }
        workspace = nil
        let made = try makingRoom {
            try Workspace(
                model.configuration,
                rank: max(trained.adapter?.targets.largestRank ?? 0, reference?.targets.largestRank ?? 0),
                capacity: rows, training: true, feedForwardRows: feedForwardRows, on: model.backend)
        }
        workspace = made
        return made
    }

    /// Makes what takes a device's memory, if need be in place of kept rollouts.
    private func makingRoom<Made>(_ make: () throws -> Made) throws -> Made {
        do { return try make() } catch {
            guard pages.isKeeping, MemoryShortage(error) != nil else { throw error }
            pages.dropKept()
            return try make()
        }
    }

    /// Reads scores, by groups and completions.
    private func arrange(_ scores: Matrix, _ groups: [TokenGroup]) throws -> [[TokenScores]] {
        let scores = try model.backend.scores(in: scores)
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
