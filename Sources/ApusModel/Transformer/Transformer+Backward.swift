internal import ApusTensor

/// The backward pass: from each layer's kept input the inside is computed again, then differentiated by hand. Its products
/// serve gradients alone: what is scored was computed before.
extension Transformer {
    /// The final hidden states of rows whose layer inputs are kept, [rows][hidden], in the workspace.
    func finalHidden(_ pass: Pass, workspace: Workspace, inputs: LayerInputs) -> Matrix {
        let (x, normed) = (workspace.residual(pass.rows), workspace.normed(pass.rows))
        inputs.recall(pass, of: .final, into: x, backend: backend)
        backend.rmsNorm(x, gain: model.finalNorm, epsilon: epsilon, into: normed)
        return normed
    }

    /// Adds every gradient of a batch: the adapter's, or those of the weights below the last norm's output.
    ///
    /// - Parameters:
    ///   - pass: rows whose keys and values are in `cache`.
    ///   - inputs: the rows' layer inputs.
    ///   - dHidden: gradient of the final hidden states (after the last norm), [rows][hidden]; in the workspace's
    ///     `dNormed`, which is overwritten.
    func backward(
        _ pass: Pass, cache: KeyValueCache, workspace: Workspace, inputs: LayerInputs, dHidden: Matrix
    ) throws {
        guard adapter != nil || parameters != nil else { return }
        let rotary = try model.rotaryTables(positions: pass.maxContext)
        let (x, dx) = (workspace.residual(pass.rows), workspace.delta(pass.rows))
        backend.fill(dx, with: 0)
        inputs.recall(pass, of: .final, into: x, backend: backend)
        parameters?.normBackward(.finalNorm, x, dy: dHidden)
        backend.rmsNormBackward(x, gain: model.finalNorm, epsilon: epsilon, dy: dHidden, addingTo: dx)
        for layer in model.layers.indices.reversed() {
            inputs.recall(pass, of: .feedForward(layer), into: x, backend: backend)
            feedForwardBackward(layer, pass, workspace, x, dx, inputs.activations)
            inputs.recall(pass, of: .attention(layer), into: x, backend: backend)
            let input = branchInput(layer, .beforeAttention, x, workspace)
            recomputeAttention(layer, input, pass, rotary, cache, workspace, inputs.activations)
            attentionBackward(layer, input, pass, rotary, cache, workspace, x, dx)
        }
        if trainsEmbedding { try embeddingBackward(dx, pass) }
    }

    // MARK: Feed-forward network

    private func feedForwardBackward(
        _ layer: Int, _ pass: Pass, _ workspace: Workspace, _ x: Matrix, _ dx: Matrix,
        _ kept: LayerActivations?
    ) {
        let input = branchInput(layer, .beforeFeedForward, x, workspace)
        let dInput = workspace.dNormed(x.rows)
        for range in workspace.feedForwardChunks(x.rows) {
            let part = input.rows(range)
            recomputeFeedForward(layer, part, pass, firstRow: range.lowerBound, workspace, kept)
            let dOutput = outputGradient(
                layer, .feedForward, of: dx.rows(range), input: workspace.activated(range.count),
                branch: { workspace.branch(x.rows).rows(range) }, raw: { dInput.rows(range) }, workspace)
            feedForwardBackward(layer, part, workspace, dOutput, into: dInput.rows(range))
        }
        addInputGradient(layer, .beforeFeedForward, x, dInput: dInput, to: dx)
    }

    /// Fills gate, up and activated, and the projections of all modules.
    private func recomputeFeedForward(
        _ layer: Int, _ input: Matrix, _ pass: Pass, firstRow: Int, _ workspace: Workspace, _ kept: LayerActivations?
    ) {
        let rows = input.rows
        let (gate, up, activated) = (workspace.gate(rows), workspace.up(rows), workspace.activated(rows))
        if let kept {
            backend.recall(kept.gate, stream: layer, pass, firstRow: firstRow, into: gate)
            backend.recall(kept.up, stream: layer, pass, firstRow: firstRow, into: up)
            let modules = inputModules(layer, .feedForward)
            let projections = modules.compactMap { projection(layer, $0, workspace, rows: rows) }
            if !projections.isEmpty { backend.linear(input, projections, for: .gradients) }
        } else {
            project(layer, .feedForward, input, into: [gate, up], workspace, for: .gradients)
        }
        backend.gate(model.layers[layer].plan.activation, gate, up, into: activated)
        if let projection = projection(layer, .down, workspace, rows: rows) {
            backend.linear(activated, [projection], for: .gradients)
        }
    }

    /// Gradients of some rows, from that of what the network gives; `activated` becomes its own gradient.
    private func feedForwardBackward(
        _ layer: Int, _ input: Matrix, _ workspace: Workspace, _ dOutput: Matrix, into dInput: Matrix
    ) {
        let rows = input.rows
        let (gate, up, activated) = (workspace.gate(rows), workspace.up(rows), workspace.activated(rows))
        parameters?.linearBackward(layer, .down, dOutput: dOutput, input: activated)
        backend.linearBackward(
            [gradient(layer, .down, workspace, dOutput)], input: activated, dx: activated, accumulate: false)
        backend.gateBackward(model.layers[layer].plan.activation, gate: gate, up: up, dh: activated)
        projectBackward(layer, .feedForward, [gate, up], input, dx: dInput, workspace)
    }

    // MARK: Attention

    /// Fills query, attended and logSumExp, raw queries and keys where they are normed, and the projections of all modules.
    /// Keys and values are in the cache and what attention adds to the residual stream is kept: of their modules mostly only
    /// the adapters' projections are needed.
    private func recomputeAttention(
        _ layer: Int, _ input: Matrix, _ pass: Pass, _ rotary: [RotaryTable], _ cache: KeyValueCache,
        _ workspace: Workspace, _ kept: LayerActivations?
    ) {
        let rows = pass.rows
        let (q, attended) = (workspace.query(rows), workspace.attended(rows))
        recomputeQueries(layer, input, workspace)
        rotate(layer, [q], pass, rotary, inverse: false)
        if let kept {
            backend.recall(kept.attended, stream: layer, pass, firstRow: 0, into: attended)
            backend.recall(kept.logSumExp, stream: layer, pass, firstRow: 0, into: workspace.logSumExp(rows))
        } else {
            backend.attention(
                q, cache: cache, layer: layer, rule: model.layers[layer].plan.attention, pass, into: attended,
                logSumExp: workspace.logSumExp(rows))
        }
        if let projection = projection(layer, .attentionOutput, workspace, rows: rows) {
            backend.linear(attended, [projection], for: .gradients)
        }
    }

    private func recomputeQueries(_ layer: Int, _ input: Matrix, _ workspace: Workspace) {
        let rows = input.rows
        let weights = model.layers[layer]
        let q = weights[.queries] == nil ? workspace.query(rows) : workspace.rawQuery(rows)
        let k = weights[.keys] == nil ? nil : workspace.rawKey(rows)
        if weights[.queryKeyValue] != nil {
            project(
                layer, .attention, input, into: [q, k ?? workspace.key(rows), workspace.value(rows)], workspace,
                for: .gradients)
        } else {
            let keys =
                k.map { product(layer, .key, workspace, into: $0) } ?? projection(layer, .key, workspace, rows: rows)
            let values = projection(layer, .value, workspace, rows: rows)
            backend.linear(
                input, [product(layer, .query, workspace, into: q)] + [keys, values].compactMap(\.self), for: .gradients
            )
        }
        normHeads(layer, .queries, q, into: workspace.query(rows))
    }

    private func attentionBackward(
        _ layer: Int, _ input: Matrix, _ pass: Pass, _ rotary: [RotaryTable], _ cache: KeyValueCache,
        _ workspace: Workspace, _ x: Matrix, _ dx: Matrix
    ) {
        let rows = pass.rows
        let (q, attended) = (workspace.query(rows), workspace.attended(rows))
        let (dq, dk, dv) = (workspace.dQuery(rows), workspace.dKey(rows), workspace.dValue(rows))
        let dAttended = workspace.dAttended(rows)
        let dOutput = outputGradient(
            layer, .attention, of: dx, input: attended, branch: { workspace.branch(rows) },
            raw: { workspace.dNormed(rows) }, workspace)
        parameters?.linearBackward(layer, .attentionOutput, dOutput: dOutput, input: attended)
        backend.linearBackward(
            [gradient(layer, .attentionOutput, workspace, dOutput)], input: attended, dx: dAttended, accumulate: false)
        backend.attentionBackward(
            q, out: attended, dOut: dAttended, logSumExp: workspace.logSumExp(rows), cache: cache, layer: layer,
            rule: model.layers[layer].plan.attention, pass, dq: dq, dk: dk, dv: dv)
        rotate(layer, [dq, dk], pass, rotary, inverse: true)
        let dQueries = headsBackward(layer, .queries, raw: workspace.rawQuery, dq, into: workspace.query)
        let dKeys = headsBackward(layer, .keys, raw: workspace.rawKey, dk, into: workspace.key)
        // Of most adapters nothing lies below the first layer.
        let dInput = layer > 0 || trainsEmbedding ? workspace.dNormed(rows) : nil
        projectBackward(layer, .attention, [dQueries, dKeys, dv], input, dx: dInput, workspace)
        if let dInput { addInputGradient(layer, .beforeAttention, x, dInput: dInput, to: dx) }
    }

    /// The gradient of queries or keys before their norm, from that after it, which is given back where there is none.
    private func headsBackward(
        _ layer: Int, _ place: NormPosition, raw: (Int) -> Matrix, _ dy: Matrix, into room: (Int) -> Matrix
    ) -> Matrix {
        guard let gain = model.layers[layer][place] else { return dy }
        let (width, raw, dx) = (gain.columns, raw(dy.rows), room(dy.rows))
        backend.fill(dx, with: 0)
        parameters?.normBackward(.norm(place, layer: layer), raw.heads(width), dy: dy.heads(width))
        backend.rmsNormBackward(
            raw.heads(width), gain: gain, epsilon: epsilon, dy: dy.heads(width), addingTo: dx.heads(width))
        return dx
    }
}

/// The pieces that both halves of a layer share.
extension Transformer {
    /// What a half layer reads: the norm of the residual stream, or the stream itself.
    private func branchInput(_ layer: Int, _ norm: NormPosition, _ x: Matrix, _ workspace: Workspace) -> Matrix {
        guard let gain = model.layers[layer][norm] else { return x }
        let normed = workspace.normed(x.rows)
        backend.rmsNorm(x, gain: gain, epsilon: epsilon, into: normed)
        return normed
    }

    /// dx += the gradient of what a half layer read, through its norm where there is one.
    private func addInputGradient(_ layer: Int, _ norm: NormPosition, _ x: Matrix, dInput: Matrix, to dx: Matrix) {
        guard let gain = model.layers[layer][norm] else { return backend.add(dx, dInput) }
        parameters?.normBackward(.norm(norm, layer: layer), x, dy: dInput)
        backend.rmsNormBackward(x, gain: gain, epsilon: epsilon, dy: dInput, addingTo: dx)
    }

    /// The gradient of what a half layer's last module gave: that of the residual stream, unless a norm or a multiplier
    /// stands between.
    ///
    /// - Parameters:
    ///   - input: what the module read.
    ///   - branch: room for the result.
    ///   - raw: room for what the module gave, which the norm's gradient is taken at.
    private func outputGradient(
        _ layer: Int, _ half: LayerHalf, of dx: Matrix, input: Matrix, branch: () -> Matrix, raw: () -> Matrix,
        _ workspace: Workspace
    ) -> Matrix {
        let weights = model.layers[layer]
        let place = half == .attention ? NormPosition.afterAttention : .afterFeedForward
        let multiplier = weights.plan.residualMultiplier
        guard let gain = weights[place] else {
            guard multiplier != 1 else { return dx }
            let scaled = branch()
            backend.copy(dx, into: scaled)
            backend.scale(scaled, by: multiplier)
            return scaled
        }
        let (d, given) = (branch(), raw())
        backend.linear(input, [product(layer, half.outputModule, workspace, into: given)], for: .gradients)
        backend.fill(d, with: 0)
        parameters?.normBackward(.norm(place, layer: layer), given, dy: dx)
        backend.rmsNormBackward(given, gain: gain, epsilon: epsilon, dy: dx, addingTo: d)
        return d
    }

    /// The modules that read what a half layer reads.
    private func inputModules(_ layer: Int, _ half: LayerHalf) -> [LinearModule] {
        model.layers[layer][half.fusedInput] == nil ? half.inputModules : [half.fusedInput]
    }

    /// The gradients of those modules, and of what they read.
    private func projectBackward(
        _ layer: Int, _ half: LayerHalf, _ dOutputs: [Matrix], _ input: Matrix, dx: Matrix?, _ workspace: Workspace
    ) {
        let modules = inputModules(layer, half)
        var dOutputs = dOutputs
        if modules.count == 1 {
            let joined = workspace.joined(half, input.rows)
            backend.join(dOutputs, into: joined)
            dOutputs = [joined]
        }
        for (module, dOutput) in zip(modules, dOutputs) {
            parameters?.linearBackward(layer, module, dOutput: dOutput, input: input)
        }
        backend.linearBackward(
            zip(modules, dOutputs).map { gradient(layer, $0, workspace, $1) }, input: input, dx: dx, accumulate: false)
    }

    private func gradient(
        _ layer: Int, _ module: LinearModule, _ workspace: Workspace, _ dOutput: Matrix
    ) -> LinearGradient {
        let rows = dOutput.rows
        let parts = adapter.flatMap { adapter in
            adapter.pair(layer: layer, module).map { pair in
                let rank = pair.lowRank.a.outputs
                return LinearGradient.Adapter(
                    lowRank: pair.lowRank, projected: workspace.projected(module, rows, rank: rank),
                    dProjected: workspace.dProjected(module, rows, rank: rank), aGradient: adapter.gradient(pair.a),
                    bGradient: adapter.gradient(pair.b), scale: pair.scale)
            }
        }
        return LinearGradient(dOutput: dOutput, weight: weight(layer, module), adapter: parts)
    }
}
