package import ApusTensor

/// The forward pass of every family: one loop over layers, as their plans say.
package struct Transformer {
    let model: LanguageModel
    let adapter: LoRAAdapter?
    /// Where the gradients of the model's own weights go; nil where they are frozen.
    let parameters: FullParameters?

    /// A pass of a model, with or without an adapter.
    package init(model: LanguageModel, adapter: LoRAAdapter?, parameters: FullParameters? = nil) {
        self.model = model
        self.adapter = adapter
        self.parameters = parameters
    }

    var backend: any Backend { model.backend }
    var configuration: ModelConfiguration { model.configuration }
    var epsilon: Float { configuration.normEpsilon }

    /// Makes everything ready for the rows of a batch.
    ///
    /// - Parameters:
    ///   - cache: what its keys and values are written to.
    ///   - inputs: what its layer inputs are kept in, or recalled from; nil where they are not.
    ///   - isScored: whether its rows are scored by the head.
    ///   - isTraining: whether a backward pass follows.
    /// - Throws: `TensorError` when the device has no memory for the pass.
    package func prepare(
        _ batch: PackedBatch, cache: KeyValueCache, inputs: LayerInputs?, isScored: Bool = false,
        isTraining: Bool = false
    ) throws -> Pass {
        let width = max(configuration.hiddenSize, configuration.intermediateSize, configuration.queryWidth)
        return try backend.prepare(
            batch,
            for: PassNeeds(
                cache: cache.shape, width: width, pages: [cache] + (inputs?.memories ?? []),
                head: isScored ? model.head : nil, isTraining: isTraining))
    }

    /// Runs all layers over the rows of a pass, writing their keys and values into `cache`.
    ///
    /// - Parameters:
    ///   - tokens: the rows' tokens.
    ///   - keep: receives the residual stream that each half layer reads, and activations if it holds them, in the
    ///     rows' own slots; nil where no backward pass follows.
    /// - Returns: final hidden states after the last norm, [rows][hidden], in the workspace.
    /// - Throws: `TensorError` when the system has no memory for tables that grow, `FormatError` for a table of embeddings
    ///   that cannot be read.
    package func forward(
        _ pass: Pass, tokens: [Int32], cache: KeyValueCache, workspace: Workspace, keep: LayerInputs?
    ) throws -> Matrix {
        let x = workspace.residual(pass.rows)
        let rotary = try model.rotaryTables(positions: pass.maxContext)
        try embed(tokens, pass, into: x, workspace)
        var delta: Matrix?
        for (index, layer) in model.layers.enumerated() {
            var input = advance(x, adding: delta, layer[.beforeAttention], workspace)
            keep?.keep(x, pass, of: .attention(index), backend: backend)
            attend(index, input, pass, rotary, cache, workspace, keep?.activations)
            delta = finish(layer, .afterAttention, workspace.delta(pass.rows))
            input = advance(x, adding: delta, layer[.beforeFeedForward], workspace)
            keep?.keep(x, pass, of: .feedForward(index), backend: backend)
            feedForward(index, input, pass, workspace, keep?.activations)
            delta = finish(layer, .afterFeedForward, workspace.delta(pass.rows))
        }
        let hidden = advance(x, adding: delta, model.finalNorm, workspace)
        keep?.keep(x, pass, of: .final, backend: backend)
        return hidden
    }

    /// x += delta; then what the next half layer reads of it: its norm, or x itself where there is none.
    private func advance(_ x: Matrix, adding delta: Matrix?, _ gain: Matrix?, _ workspace: Workspace) -> Matrix {
        guard let gain else {
            if let delta { backend.add(x, delta) }
            return x
        }
        let normed = workspace.normed(x.rows)
        if let delta {
            backend.addRMSNorm(x, adding: delta, gain: gain, epsilon: epsilon, into: normed)
        } else {
            backend.rmsNorm(x, gain: gain, epsilon: epsilon, into: normed)
        }
        return normed
    }

    /// What a half layer adds, from what its last module gave, in place.
    private func finish(_ layer: LayerWeights, _ norm: NormPosition, _ delta: Matrix) -> Matrix {
        if let gain = layer[norm] { backend.rmsNorm(delta, gain: gain, epsilon: epsilon, into: delta) }
        if layer.plan.residualMultiplier != 1 { backend.scale(delta, by: layer.plan.residualMultiplier) }
        return delta
    }

    private func attend(
        _ layer: Int, _ input: Matrix, _ pass: Pass, _ rotary: [RotaryTable], _ cache: KeyValueCache,
        _ workspace: Workspace, _ keep: LayerActivations?
    ) {
        let rows = pass.rows
        let (q, k, v) = (workspace.query(rows), workspace.key(rows), workspace.value(rows))
        project(layer, .attention, input, into: [q, k, v], workspace, for: .scores)
        normHeads(layer, .queries, q, into: q)
        normHeads(layer, .keys, k, into: k)
        rotate(layer, [q, k], pass, rotary, inverse: false)
        backend.writeKeysAndValues(k, v, cache: cache, layer: layer, pass)
        let attended = workspace.attended(rows)
        let logSumExp = keep.map { _ in workspace.logSumExp(rows) }
        backend.attention(
            q, cache: cache, layer: layer, rule: model.layers[layer].plan.attention, pass, into: attended,
            logSumExp: logSumExp)
        if let keep, let logSumExp {
            backend.keep(attended, pass, firstRow: 0, in: keep.attended, stream: layer)
            backend.keep(logSumExp, pass, firstRow: 0, in: keep.logSumExp, stream: layer)
        }
        backend.linear(attended, [product(layer, .attentionOutput, workspace, into: workspace.delta(rows))])
    }

    private func feedForward(
        _ layer: Int, _ input: Matrix, _ pass: Pass, _ workspace: Workspace, _ keep: LayerActivations?
    ) {
        let delta = workspace.delta(pass.rows)
        for range in workspace.feedForwardChunks(pass.rows) {
            let (gate, up) = (workspace.gate(range.count), workspace.up(range.count))
            project(layer, .feedForward, input.rows(range), into: [gate, up], workspace, for: .scores)
            if let keep {
                backend.keep(gate, pass, firstRow: range.lowerBound, in: keep.gate, stream: layer)
                backend.keep(up, pass, firstRow: range.lowerBound, in: keep.up, stream: layer)
            }
            let activated = workspace.activated(range.count)
            backend.gate(model.layers[layer].plan.activation, gate, up, into: activated)
            backend.linear(activated, [product(layer, .down, workspace, into: delta.rows(range))])
        }
    }
}

/// The pieces that the forward pass and the backward pass's recomputation share.
extension Transformer {
    /// The products of what a half layer reads, by one module each or by one for all of them.
    func project(
        _ layer: Int, _ half: LayerHalf, _ input: Matrix, into outputs: [Matrix], _ workspace: Workspace,
        for use: ProductUse
    ) {
        guard model.layers[layer][half.fusedInput] == nil else {
            let joined = workspace.joined(half, input.rows)
            backend.linear(input, [product(layer, half.fusedInput, workspace, into: joined)], for: use)
            backend.split(joined, into: outputs)
            return
        }
        backend.linear(
            input, zip(half.inputModules, outputs).map { product(layer, $0, workspace, into: $1) }, for: use)
    }

    /// The norm of queries or of keys, of each head or of all together; nothing where the layer has none.
    func normHeads(_ layer: Int, _ place: NormPosition, _ x: Matrix, into y: Matrix) {
        guard let gain = model.layers[layer][place] else { return }
        backend.rmsNorm(x.heads(gain.columns), gain: gain, epsilon: epsilon, into: y.heads(gain.columns))
    }

    /// Turns queries and keys, or turns their gradients back; nothing in a layer without positions.
    func rotate(_ layer: Int, _ matrices: [Matrix], _ pass: Pass, _ rotary: [RotaryTable], inverse: Bool) {
        guard let table = model.layers[layer].plan.rotaryEmbedding else { return }
        for x in matrices {
            backend.rope(x, headSize: configuration.headSize, table: rotary[table], pass, inverse: inverse)
        }
    }

    /// One linear module's product; without an output only its adapter's projection is computed.
    func product(_ layer: Int, _ module: LinearModule, _ workspace: Workspace, into output: Matrix?) -> LinearProduct {
        let lowRank = adapter?.pair(layer: layer, module)?.lowRank
        let rows = output?.rows ?? 0
        return LinearProduct(
            weight: weight(layer, module), bias: model.layers[layer].bias(of: module), lowRank: lowRank,
            projected: lowRank.map { workspace.projected(module, rows, rank: $0.a.outputs) }, output: output)
    }

    /// Only the projection x Aᵀ of a module, which its adapter's gradient needs; nil without an adapter there.
    func projection(_ layer: Int, _ module: LinearModule, _ workspace: Workspace, rows: Int) -> LinearProduct? {
        guard let lowRank = adapter?.pair(layer: layer, module)?.lowRank else { return nil }
        return LinearProduct(
            weight: weight(layer, module), bias: nil, lowRank: lowRank,
            projected: workspace.projected(module, rows, rank: lowRank.a.outputs), output: nil)
    }

    /// The weight of a module that the layer's plan has.
    func weight(_ layer: Int, _ module: LinearModule) -> Weight {
        guard let weight = model.layers[layer][module] else { preconditionFailure("the layer has no such module") }
        return weight
    }
}

extension Matrix {
    /// The same numbers as rows of one norm each.
    func heads(_ width: Int) -> Matrix { reshaped(rows: rows * columns / width, columns: width) }
}
