internal import ApusTensor

/// The pair of an adapter that stands beside the embedding.
extension Transformer {
    /// Fills x with the tokens' rows of the table, the adapter's share added, times what the family multiplies them by.
    func embed(_ batch: PackedBatch, into x: Matrix, _ workspace: Workspace) throws {
        try model.embedding.embed(batch.tokens, into: x, backend: backend)
        if let pair = adapter?.embedding {
            let (projected, delta) = (try project(pair, batch.tokens), workspace.delta(batch.rows))
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
    func embeddingBackward(_ dx: Matrix, tokens: [Int32]) throws {
        let multiplier = configuration.embeddingMultiplier
        if multiplier != 1 { backend.scale(dx, by: multiplier) }
        parameters?.embeddingBackward(dx, tokens: tokens)
        guard let adapter, let pair = adapter.embedding else { return }
        let projected = try project(pair, tokens)
        let dProjected = try Matrix(rows: projected.rows, columns: projected.columns)
        backend.linearBackward(
            [LinearGradient(dOutput: dx, weight: pair.weight, adapter: nil)], input: projected, dx: dProjected,
            accumulate: false)
        backend.scatterAddColumns(dProjected, tokens.map(Int.init), into: adapter.gradient(pair.a))
        backend.scale(projected, by: pair.scale)
        backend.addOuterProduct(dx, projected, to: adapter.gradient(pair.b))
    }

    /// Whether anything is trained below the first layer.
    var trainsEmbedding: Bool { parameters != nil || adapter?.embedding != nil }

    /// A's columns of the tokens, as rows.
    private func project(_ pair: LoRAAdapter.EmbeddingPair, _ tokens: [Int32]) throws -> Matrix {
        let projected = try Matrix(rows: tokens.count, columns: pair.a.shape[0])
        if let adapter { backend.gatherColumns(adapter.parameters(pair.a), tokens.map(Int.init), into: projected) }
        return projected
    }
}
