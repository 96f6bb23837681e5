package import ApusTensor

/// The forward pass of every architecture: one loop over layers, read from the configuration.
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
        let rows = batch.rows
        let x = workspace.residual(rows)
        let normed = workspace.normed(rows)
        let kept = keep?.rows(of: batch.slots) ?? []
        let rotary = try prepare(batch)
        try model.embedding.embed(batch.tokens, into: x, backend: backend)
        for (index, layer) in model.layers.enumerated() {
            if index == 0 {
                backend.rmsNorm(x, gain: layer.inputNorm, epsilon: epsilon, into: normed)
            } else {
                backend.addRMSNorm(
                    x, adding: workspace.delta(rows), gain: layer.inputNorm, epsilon: epsilon, into: normed)
            }
            keep?.keep(x, kept, of: .attention(index), backend: backend)
            attend(index, batch, rotary, cache, workspace, keep?.activations)
            backend.addRMSNorm(
                x, adding: workspace.delta(rows), gain: layer.postAttentionNorm, epsilon: epsilon, into: normed)
            keep?.keep(x, kept, of: .feedForward(index), backend: backend)
            feedForward(index, batch, workspace, keep?.activations)
        }
        backend.addRMSNorm(x, adding: workspace.delta(rows), gain: model.finalNorm, epsilon: epsilon, into: normed)
        keep?.keep(x, kept, of: .final, backend: backend)
        return normed
    }

    /// Makes room in the backend for a pass over a batch, and gives the angles of its positions.
    func prepare(_ batch: PackedBatch) throws -> RotaryTable {
        let queryWidth = configuration.headCount * configuration.headSize
        let width = max(configuration.hiddenSize, configuration.intermediateSize, queryWidth)
        try backend.prepareAttention(model.cacheShape, maxContext: batch.maxContext)
        try backend.prepareProducts(rows: batch.rows, width: width)
        return try model.rotaryTable(positions: batch.maxContext)
    }

    private func attend(
        _ layer: Int, _ batch: PackedBatch, _ rotary: RotaryTable, _ cache: KeyValueCache, _ workspace: Workspace,
        _ keep: LayerActivations?
    ) {
        let rows = batch.rows
        let (q, k, v) = (workspace.query(rows), workspace.key(rows), workspace.value(rows))
        backend.linear(
            workspace.normed(rows),
            [
                product(layer, .query, workspace, into: q), product(layer, .key, workspace, into: k),
                product(layer, .value, workspace, into: v),
            ])
        rotate(q, batch, rotary, inverse: false)
        rotate(k, batch, rotary, inverse: false)
        backend.writeKeysAndValues(k, v, cache: cache, layer: layer, rows: batch.writeRows, slots: batch.writeSlots)
        let attended = workspace.attended(rows)
        let logSumExp = keep.map { _ in workspace.logSumExp(rows) }
        backend.attention(q, cache: cache, layer: layer, visible: batch.visible, into: attended, logSumExp: logSumExp)
        if let keep, let logSumExp {
            let kept = keep.rows(of: batch.slots)
            backend.scatter(attended, kept, into: keep.attended(layer))
            backend.scatter(logSumExp, kept, into: keep.logSumExp(layer))
        }
        backend.linear(attended, [product(layer, .attentionOutput, workspace, into: workspace.delta(rows))])
    }

    private func feedForward(
        _ layer: Int, _ batch: PackedBatch, _ workspace: Workspace, _ keep: LayerActivations?
    ) {
        let (normed, delta) = (workspace.normed(batch.rows), workspace.delta(batch.rows))
        let kept = keep?.rows(of: batch.slots) ?? []
        for range in workspace.feedForwardChunks(batch.rows) {
            let (gate, up) = (workspace.gate(range.count), workspace.up(range.count))
            backend.linear(
                normed.rows(range),
                [product(layer, .gate, workspace, into: gate), product(layer, .up, workspace, into: up)])
            if let keep {
                backend.scatter(gate, Array(kept[range]), into: keep.gate(layer))
                backend.scatter(up, Array(kept[range]), into: keep.up(layer))
            }
            let activated = workspace.activated(range.count)
            backend.siluGate(gate, up, into: activated)
            backend.linear(activated, [product(layer, .down, workspace, into: delta.rows(range))])
        }
    }

    func rotate(_ x: Matrix, _ batch: PackedBatch, _ rotary: RotaryTable, inverse: Bool) {
        backend.rope(
            x, headSize: configuration.headSize, table: rotary, positions: batch.positions, inverse: inverse)
    }

    /// One linear module's product; without an output only its adapter's projection is computed.
    func product(_ layer: Int, _ module: LinearModule, _ workspace: Workspace, into output: Matrix?) -> LinearProduct {
        let weights = model.layers[layer]
        let lowRank = adapter?.pair(layer: layer, module)?.lowRank
        let rows = output?.rows ?? 0
        return LinearProduct(
            weight: weights.linears[module.rawValue], bias: weights.biases[module.rawValue], lowRank: lowRank,
            projected: lowRank.map { _ in workspace.projected(module, rows) }, output: output)
    }

    /// Only the projection x Aᵀ of a module, which its adapter's gradient needs; nil without an adapter there.
    func projection(_ layer: Int, _ module: LinearModule, _ workspace: Workspace, rows: Int) -> LinearProduct? {
        guard let lowRank = adapter?.pair(layer: layer, module)?.lowRank else { return nil }
        return LinearProduct(
            weight: model.layers[layer].linears[module.rawValue], bias: nil, lowRank: lowRank,
            projected: workspace.projected(module, rows), output: nil)
    }
}
