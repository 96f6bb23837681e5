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

    /// Runs all layers over packed rows, writing their keys and values into `cache`.
    ///
    /// - Parameter keep: receives the residual stream that each half layer reads, and activations if it holds them, in the
    ///   rows' own slots; nil where no backward pass follows.
    /// - Returns: final hidden states after the last norm, [rows][hidden], in the workspace.
    /// - Throws: `TensorError` when the system has no memory for the pass, `FormatError` for a table of embeddings
    ///   that cannot be read.
    package func forward(
        _ batch: PackedBatch, cache: KeyValueCache, workspace: Workspace, keep: LayerInputs?
    ) throws -> Matrix {
        let x = workspace.residual(batch.rows)
        let kept = keep?.rows(of: batch.slots) ?? []
        let rotary = try prepare(batch)
        try embed(batch, into: x, workspace)
        var delta: Matrix?
        for (index, layer) in model.layers.enumerated() {
            var input = advance(x, adding: delta, layer[.beforeAttention], workspace)
            keep?.keep(x, kept, of: .attention(index), backend: backend)
            attend(index, input, batch, rotary, cache, workspace, keep?.activations)
            delta = finish(layer, .afterAttention, workspace.delta(batch.rows))
            input = advance(x, adding: delta, layer[.beforeFeedForward], workspace)
            keep?.keep(x, kept, of: .feedForward(index), backend: backend)
            feedForward(index, input, batch, workspace, keep?.activations)
            delta = finish(layer, .afterFeedForward, workspace.delta(batch.rows))
        }
        let hidden = advance(x, adding: delta, model.finalNorm, workspace)
        keep?.keep(x, kept, of: .final, backend: backend)
        return hidden
    }

    /// Makes room in the backend for a pass over a batch, and gives the angles of its positions for each rotary embedding.
    func prepare(_ batch: PackedBatch) throws -> [RotaryTable] {
        let width = max(configuration.hiddenSize, configuration.intermediateSize, configuration.queryWidth)
        try backend.prepareAttention(model.cacheShape, maxContext: batch.maxContext)
        try backend.prepareProducts(rows: batch.rows, width: width)
        return try model.rotaryTables(positions: batch.maxContext)
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
        _ layer: Int, _ input: Matrix, _ batch: PackedBatch, _ rotary: [RotaryTable], _ cache: KeyValueCache,
        _ workspace: Workspace, _ keep: LayerActivations?
    ) {
        let rows = batch.rows
        let (q, k, v) = (workspace.query(rows), workspace.key(rows), workspace.value(rows))
        project(layer, .attention, input, into: [q, k, v], workspace)
        normHeads(layer, .queries, q, into: q)
        normHeads(layer, .keys, k, into: k)
        rotate(layer, [q, k], batch, rotary, inverse: false)
        backend.writeKeysAndValues(k, v, cache: cache, layer: layer, rows: batch.writeRows, slots: batch.writeSlots)
        let attended = workspace.attended(rows)
        let logSumExp = keep.map { _ in workspace.logSumExp(rows) }
        backend.attention(
            q, cache: cache, layer: layer, rule: model.layers[layer].plan.attention, visible: batch.visible,
            into: attended, logSumExp: logSumExp)
        if let keep, let logSumExp {
            let kept = keep.rows(of: batch.slots)
            backend.scatter(attended, kept, into: keep.attended(layer))
            backend.scatter(logSumExp, kept, into: keep.logSumExp(layer))
        }
        backend.linear(attended, [product(layer, .attentionOutput, workspace, into: workspace.delta(rows))])
    }

    private func feedForward(
        _ layer: Int, _ input: Matrix, _ batch: PackedBatch, _ workspace: Workspace, _ keep: LayerActivations?
    ) {
        let delta = workspace.delta(batch.rows)
        let kept = keep?.rows(of: batch.slots) ?? []
        for range in workspace.feedForwardChunks(batch.rows) {
            let (gate, up) = (workspace.gate(range.count), workspace.up(range.count))
            project(layer, .feedForward, input.rows(range), into: [gate, up], workspace)
            if let keep {
                backend.scatter(gate, Array(kept[range]), into: keep.gate(layer))
                backend.scatter(up, Array(kept[range]), into: keep.up(layer))
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
        _ layer: Int, _ half: LayerHalf, _ input: Matrix, into outputs: [Matrix], _ workspace: Workspace
    ) {
        guard model.layers[layer][half.fusedInput] == nil else {
            let joined = workspace.joined(half, input.rows)
            backend.linear(input, [product(layer, half.fusedInput, workspace, into: joined)])
            backend.split(joined, into: outputs)
            return
        }
        backend.linear(input, zip(half.inputModules, outputs).map { product(layer, $0, workspace, into: $1) })
    }

    /// The norm of queries or of keys, of each head or of all together; nothing where the layer has none.
    func normHeads(_ layer: Int, _ place: NormPosition, _ x: Matrix, into y: Matrix) {
        guard let gain = model.layers[layer][place] else { return }
        backend.rmsNorm(x.heads(gain.columns), gain: gain, epsilon: epsilon, into: y.heads(gain.columns))
    }

    /// Turns queries and keys, or turns their gradients back; nothing in a layer without positions.
    func rotate(_ layer: Int, _ matrices: [Matrix], _ batch: PackedBatch, _ rotary: [RotaryTable], inverse: Bool) {
        guard let table = model.layers[layer].plan.rotaryEmbedding else { return }
        for x in matrices {
            backend.rope(
                x, headSize: configuration.headSize, table: rotary[table], positions: batch.positions, inverse: inverse)
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
