internal import ApusTensor

/// The backward pass: from each layer's kept input the inside is computed again, then differentiated by hand.
extension Transformer {
    /// The final hidden states of rows whose layer inputs are kept, [rows][hidden], in the workspace.
    func finalHidden(_ batch: PackedBatch, workspace: Workspace, inputs: LayerInputs) -> Matrix {
        let (x, normed) = (workspace.residual(batch.rows), workspace.normed(batch.rows))
        inputs.read(inputs.rows(of: batch.slots), of: .final, into: x, backend: backend)
        backend.rmsNorm(x, gain: model.finalNorm, epsilon: epsilon, into: normed)
        return normed
    }

    /// Adds every gradient of a batch: the adapter's, or those of the weights below the last norm's output.
    ///
    /// - Parameters:
    ///   - batch: rows whose keys and values are in `cache`.
    ///   - inputs: the rows' layer inputs.
    ///   - dHidden: gradient of the final hidden states (after the last norm), [rows][hidden]; in the workspace's
    ///     `dNormed`, which is overwritten.
    func backward(
        _ batch: PackedBatch, cache: KeyValueCache, workspace: Workspace, inputs: LayerInputs, dHidden: Matrix
    ) throws {
        guard adapter != nil || parameters != nil else { return }
        let rotary = try prepare(batch)
        let count = model.layers.count
        let kept = inputs.rows(of: batch.slots)
        let (x, dx) = (workspace.residual(batch.rows), workspace.delta(batch.rows))
        dx.clear()
        inputs.read(kept, of: .final, into: x, backend: backend)
        parameters?.finalNormBackward(x, dy: dHidden)
        backend.rmsNormBackward(x, gain: model.finalNorm, epsilon: epsilon, dy: dHidden, addingTo: dx)
        for layer in (0..<count).reversed() {
            inputs.read(kept, of: .feedForward(layer), into: x, backend: backend)
            feedForwardBackward(layer, batch, workspace, x, dx, inputs.activations)
            inputs.read(kept, of: .attention(layer), into: x, backend: backend)
            recomputeAttention(layer, batch, rotary, cache, workspace, x, inputs.activations)
            try attentionBackward(layer, adapter, batch, rotary, cache, workspace, x, dx)
        }
        parameters?.embeddingBackward(dx, tokens: batch.tokens)
    }

    /// Fills normed, query, attended, logSumExp. Keys and values are in the cache and what attention adds to the residual
    /// stream is kept: of their modules only the adapters' projections are needed.
    private func recomputeAttention(
        _ layer: Int, _ batch: PackedBatch, _ rotary: RotaryTable, _ cache: KeyValueCache, _ workspace: Workspace,
        _ x: Matrix, _ kept: LayerActivations?
    ) {
        let rows = batch.rows
        let (normed, q, attended) = (workspace.normed(rows), workspace.query(rows), workspace.attended(rows))
        backend.rmsNorm(x, gain: model.layers[layer].inputNorm, epsilon: epsilon, into: normed)
        backend.linear(
            normed,
            [product(layer, .query, workspace, into: q)]
                + [LinearModule.key, .value].compactMap { projection(layer, $0, workspace, rows: rows) })
        rotate(q, batch, rotary, inverse: false)
        if let kept {
            let places = kept.rows(of: batch.slots)
            backend.gather(kept.attended(layer), places, into: attended)
            backend.gather(kept.logSumExp(layer), places, into: workspace.logSumExp(rows))
        } else {
            backend.attention(
                q, cache: cache, layer: layer, visible: batch.visible, into: attended,
                logSumExp: workspace.logSumExp(rows))
        }
        if let projection = projection(layer, .attentionOutput, workspace, rows: rows) {
            backend.linear(attended, [projection])
        }
    }

    private func feedForwardBackward(
        _ layer: Int, _ batch: PackedBatch, _ workspace: Workspace, _ x: Matrix, _ dx: Matrix,
        _ kept: LayerActivations?
    ) {
        let (gain, rows) = (model.layers[layer].postAttentionNorm, x.rows)
        let (normed, dNormed) = (workspace.normed(rows), workspace.dNormed(rows))
        backend.rmsNorm(x, gain: gain, epsilon: epsilon, into: normed)
        let places = kept?.rows(of: batch.slots) ?? []
        for range in workspace.feedForwardChunks(rows) {
            let part = normed.rows(range)
            recomputeFeedForward(layer, part, workspace, kept.map { ($0, Array(places[range])) })
            feedForwardBackward(layer, part, workspace, dx.rows(range), into: dNormed.rows(range))
        }
        parameters?.postAttentionNormBackward(layer, x, dy: dNormed)
        backend.rmsNormBackward(x, gain: gain, epsilon: epsilon, dy: dNormed, addingTo: dx)
    }

    /// Fills gate, up and activated, and the projections of the three modules.
    private func recomputeFeedForward(
        _ layer: Int, _ normed: Matrix, _ workspace: Workspace, _ kept: (LayerActivations, rows: [Int])?
    ) {
        let rows = normed.rows
        let (gate, up, activated) = (workspace.gate(rows), workspace.up(rows), workspace.activated(rows))
        if let (kept, places) = kept {
            backend.gather(kept.gate(layer), places, into: gate)
            backend.gather(kept.up(layer), places, into: up)
            let projections = [LinearModule.gate, .up].compactMap { projection(layer, $0, workspace, rows: rows) }
            if !projections.isEmpty { backend.linear(normed, projections) }
        } else {
            backend.linear(
                normed, [product(layer, .gate, workspace, into: gate), product(layer, .up, workspace, into: up)])
        }
        backend.siluGate(gate, up, into: activated)
        if let projection = projection(layer, .down, workspace, rows: rows) { backend.linear(activated, [projection]) }
    }

    /// Gradients of some rows, from that of what the network adds to them; `activated` becomes its own gradient.
    private func feedForwardBackward(
        _ layer: Int, _ normed: Matrix, _ workspace: Workspace, _ dOutput: Matrix, into dNormed: Matrix
    ) {
        let rows = normed.rows
        let (gate, up, activated) = (workspace.gate(rows), workspace.up(rows), workspace.activated(rows))
        parameters?.linearBackward(layer, .down, dOutput: dOutput, input: activated)
        backend.linearBackward(
            [gradient(layer, .down, adapter, workspace, dOutput)], input: activated, dx: activated, accumulate: false)
        backend.siluGateBackward(gate: gate, up: up, dh: activated)
        parameters?.linearBackward(layer, .gate, dOutput: gate, input: normed)
        parameters?.linearBackward(layer, .up, dOutput: up, input: normed)
        backend.linearBackward(
            [gradient(layer, .gate, adapter, workspace, gate), gradient(layer, .up, adapter, workspace, up)],
            input: normed, dx: dNormed, accumulate: false)
    }

    private func attentionBackward(
        _ layer: Int, _ adapter: LoRAAdapter?, _ batch: PackedBatch, _ rotary: RotaryTable, _ cache: KeyValueCache,
        _ workspace: Workspace, _ input: Matrix, _ dx: Matrix
    ) throws {
        let rows = batch.rows
        let (q, attended) = (workspace.query(rows), workspace.attended(rows))
        let (dq, dk, dv) = (workspace.dQuery(rows), workspace.dKey(rows), workspace.dValue(rows))
        let dAttended = workspace.dAttended(rows)
        parameters?.linearBackward(layer, .attentionOutput, dOutput: dx, input: attended)
        backend.linearBackward(
            [gradient(layer, .attentionOutput, adapter, workspace, dx)], input: attended, dx: dAttended,
            accumulate: false)
        try backend.attentionBackward(
            q, out: attended, dOut: dAttended, logSumExp: workspace.logSumExp(rows), cache: cache, layer: layer,
            segments: batch.segments, tables: batch.visible.tables, dq: dq, dk: dk, dv: dv)
        rotate(dq, batch, rotary, inverse: true)
        rotate(dk, batch, rotary, inverse: true)
        let normed = workspace.normed(rows)
        for (module, dOutput) in [(LinearModule.query, dq), (.key, dk), (.value, dv)] {
            parameters?.linearBackward(layer, module, dOutput: dOutput, input: normed)
        }
        let gradients = [
            gradient(layer, .query, adapter, workspace, dq), gradient(layer, .key, adapter, workspace, dk),
            gradient(layer, .value, adapter, workspace, dv),
        ]
        // Of an adapter nothing lies below the first layer.
        let dNormed = layer > 0 || parameters != nil ? workspace.dNormed(rows) : nil
        backend.linearBackward(gradients, input: normed, dx: dNormed, accumulate: false)
        if let dNormed {
            parameters?.inputNormBackward(layer, input, dy: dNormed)
            backend.rmsNormBackward(
                input, gain: model.layers[layer].inputNorm, epsilon: epsilon, dy: dNormed, addingTo: dx)
        }
    }

    private func gradient(
        _ layer: Int, _ module: LinearModule, _ adapter: LoRAAdapter?, _ workspace: Workspace, _ dOutput: Matrix
    ) -> LinearGradient {
        let rows = dOutput.rows
        let parts = adapter.flatMap { adapter in
            adapter.pair(layer: layer, module).map { pair in
                LinearGradient.Adapter(
                    lowRank: pair.lowRank, projected: workspace.projected(module, rows),
                    dProjected: workspace.dProjected(module, rows), aGradient: adapter.gradient(pair.a),
                    bGradient: adapter.gradient(pair.b), scale: adapter.configuration.scale)
            }
        }
        return LinearGradient(
            dOutput: dOutput, weight: model.layers[layer].linears[module.rawValue], adapter: parts)
    }
}
