internal import ApusTensor

/// The pair of an adapter that stands beside the embedding.
extension Transformer {
    /// Fills x with the tokens' rows of the table, the adapter's share added, times what the family multiplies them by.
    func embed(_ tokens: [Int32], _ pass: Pass, into x: Matrix, _ workspace: Workspace) throws {
        try model.embedding.embed(tokens, pass, into: x, backend: backend)
        if let pair = adapter?.embedding {
            let (projected, delta) = (try project(pair, pass), workspace.delta(pass.rows))
            backend.linear(
                projected,
                [LinearProduct(weight: pair.weight, bias: nil, lowRank: nil, projected: nil, output: delta)])
            backend.add(x, delta)
        }
        if configuration.embeddingMultiplier != 1 { backend.scale(x, by: configuration.embeddingMultiplier) }
    }

    /// Adds the gradients of the pair, or of the table where all weights are trained.
    ///
    /// - Parameter dx: the gradient of the first residual stream, which is spent.
    func embeddingBackward(_ dx: Matrix, _ pass: Pass) throws {
        let multiplier = configuration.embeddingMultiplier
        if multiplier != 1 { backend.scale(dx, by: multiplier) }
        parameters?.embeddingBackward(dx, pass)
        guard let adapter, let pair = adapter.embedding else { return }
        let projected = try project(pair, pass)
        let dProjected = try backend.makeMatrix(rows: projected.rows, columns: projected.columns)
        backend.linearBackward(
            [LinearGradient(dOutput: dx, weight: pair.weight, adapter: nil)], input: projected, dx: dProjected,
            accumulate: false)
        backend.scatterAddColumns(dProjected, pass.tokens, into: adapter.gradient(pair.a))
        backend.scale(projected, by: pair.scale)
        backend.addOuterProduct(dx, projected, to: adapter.gradient(pair.b))
    }

    /// Whether anything is trained below the first layer.
    var trainsEmbedding: Bool { parameters != nil || adapter?.embedding != nil }

    /// A's columns of the tokens, as rows.
    private func project(_ pair: LoRAAdapter.EmbeddingPair, _ pass: Pass) throws -> Matrix {
        let projected = try backend.makeMatrix(rows: pass.rows, columns: pair.a.shape[0])
        if let adapter { backend.gatherColumns(adapter.parameters(pair.a), pass.tokens, into: projected) }
        return projected
    }
}
