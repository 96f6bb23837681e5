public import ApusTensor
internal import CCUDA

extension CUDABackend {
    /// Rows and columns of a block's outputs, and its threads; of fp32 weights, and of others.
    private static let exactTile = (size: 32, threads: 256, sharedBytes: 0)
    private static let tile = (size: 64, threads: 128, sharedBytes: 2 * 64 * 72 * 2)

    /// See `Backend`. An adapter's two products come after its module's.
    public func linear(_ x: Matrix, _ products: [LinearProduct], for use: ProductUse) {
        if use == .gradients, multiplyByLibrary(x, products) { return }
        for product in products {
            if let output = product.output { multiply(x, product.weight, bias: product.bias, into: output) }
            guard let (lowRank, projected) = product.adapter else { continue }
            multiply(x, lowRank.a, into: projected)
            if let output = product.output { multiply(projected, lowRank.b, into: output, accumulates: true) }
        }
    }

    /// y = x Wᵀ (+ bias), or y += x Wᵀ.
    func multiply(_ x: Matrix, _ weight: Weight, bias: Matrix? = nil, into y: Matrix, accumulates: Bool = false) {
        precondition(x.columns == weight.inputs && y.columns == weight.outputs && x.rows == y.rows, "shapes differ")
        let own = weight.cuda
        let tile = own.kind == .f32 ? Self.exactTile : Self.tile
        launch(
            KernelName("apus_linear_\(own.kind.name)"), blocks: pieces(weight.outputs, tile.size),
            pieces(x.rows, tile.size), threads: tile.threads, sharedBytes: tile.sharedBytes, x.argument,
            .pointer(own.values), .pointer(own.scales), .pointer(bias?.address), y.argument, .integer(x.rows),
            .integer(weight.outputs), .integer(weight.inputs), .integer(accumulates ? 1 : 0))
    }

    /// dx = dy W, or dx += dy W.
    func multiplyBackward(_ dy: Matrix, _ weight: Weight, into dx: Matrix, accumulates: Bool) {
        precondition(dy.columns == weight.outputs && dx.columns == weight.inputs && dx.rows == dy.rows, "shapes differ")
        let own = weight.cuda
        let tile = own.kind == .f32 ? Self.exactTile : Self.tile
        launch(
            KernelName("apus_linear_backward_\(own.kind.name)"), blocks: pieces(weight.inputs, tile.size),
            pieces(dy.rows, tile.size), threads: tile.threads, sharedBytes: tile.sharedBytes, dy.argument,
            .pointer(own.values), .pointer(own.scales), dx.argument, .integer(dy.rows), .integer(weight.outputs),
            .integer(weight.inputs), .integer(accumulates ? 1 : 0))
    }

    func pieces(_ count: Int, _ size: Int) -> Int { (count + size - 1) / size }

    /// See `Backend`.
    public func linearBackward(_ gradients: [LinearGradient], input x: Matrix, dx: Matrix?, accumulate: Bool) {
        if multiplyBackwardByLibrary(gradients, input: x, dx: dx, accumulate: accumulate) { return }
        for gradient in gradients {
            guard let adapter = gradient.adapter else { continue }
            multiplyBackward(gradient.dOutput, adapter.lowRank.b, into: adapter.dProjected, accumulates: false)
            addOuterProduct(adapter.dProjected, x, to: adapter.aGradient)
            addOuterProduct(gradient.dOutput, adapter.projected, to: adapter.bGradient, alpha: adapter.scale)
        }
        guard let dx else { return }
        for (index, gradient) in gradients.enumerated() {
            multiplyBackward(gradient.dOutput, gradient.weight, into: dx, accumulates: accumulate || index > 0)
            guard let adapter = gradient.adapter else { continue }
            multiplyBackward(adapter.dProjected, adapter.lowRank.a, into: dx, accumulates: true)
        }
    }
}
