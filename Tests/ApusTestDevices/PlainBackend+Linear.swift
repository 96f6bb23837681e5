public import ApusTensor

extension PlainBackend {
    /// See `Backend`. All uses are computed alike.
    public func linear(_ x: Matrix, _ products: [LinearProduct], for use: ProductUse) {
        let x = own(x)
        let parts = products.map { PlainProduct($0, of: x, in: self) }
        for (index, part) in parts.enumerated() {
            for other in parts[..<index] { part.requireApart(other) }
        }
        enqueue { for part in parts { part.compute(x) } }
    }

    /// See `Backend`. The adapters' gradients come before `dx`, which may lie where `x` does.
    public func linearBackward(_ gradients: [LinearGradient], input x: Matrix, dx: Matrix?, accumulate: Bool) {
        let (x, dx) = (own(x), dx.map { own($0) })
        let parts = gradients.map { PlainGradient($0, of: x, in: self) }
        if let dx {
            dx.requireShape(of: x)
            for part in parts { dx.requireApart(part.dOutput, part.adapter?.projected, part.adapter?.dProjected) }
            dx.requireApart(dx.isSame(as: x) ? nil : x)
        }
        enqueue {
            for part in parts { part.addAdapterGradients(x) }
            guard let dx else { return }
            if !accumulate { dx.base.update(repeating: 0, count: dx.count) }
            for part in parts { part.addInputGradient(to: dx) }
        }
    }

    // MARK: Gradients of weights

    /// See `Backend`.
    public func addOuterProduct(_ a: Matrix, _ b: Matrix, to c: Matrix) {
        let (a, b, c) = (own(a), own(b), own(c))
        b.requireShape(a.rows, b.columns)
        c.requireShape(a.columns, b.columns)
        c.requireApart(a, b)
        enqueue { addOuter(a, b, scale: 1, to: c) }
    }

    /// See `Backend`.
    public func addColumnSums(_ x: Matrix, to sums: Matrix) {
        let (x, sums) = (own(x), own(sums))
        sums.requireShape(1, x.columns)
        sums.requireApart(x)
        enqueue { for row in 0..<x.rows { addScaled(sums.base, 1, x.row(row), x.columns) } }
    }

    /// See `Backend`.
    public func rmsNormGainBackward(_ x: Matrix, epsilon: Float, dy: Matrix, addingTo dGain: Matrix) {
        let (x, dy, dGain) = (own(x), own(dy), own(dGain))
        dy.requireShape(of: x)
        dGain.requireShape(1, x.columns)
        dGain.requireApart(x, dy)
        enqueue {
            for row in 0..<x.rows {
                let (x, dy, sums, width) = (x.row(row), dy.row(row), dGain.base, x.columns)
                let inverse = inverseRootMeanSquare(x, width, epsilon)
                for i in 0..<width { sums[i] += dy[i] * x[i] * inverse }
            }
        }
    }
}

/// One product of a linear call.
private struct PlainProduct {
    private let weight: PlainWeight
    private let bias: PlainMatrix?
    private let pair: PlainPair?
    private let projected: PlainMatrix?
    private let output: PlainMatrix?

    init(_ product: LinearProduct, of x: PlainMatrix, in backend: PlainBackend) {
        weight = backend.own(product.weight)
        bias = product.bias.map { backend.own($0) }
        pair = product.lowRank.map { PlainPair($0, beside: product.weight, in: backend) }
        projected = product.lowRank == nil ? nil : product.projected.map { backend.own($0) }
        output = product.output.map { backend.own($0) }
        x.requireShape(x.rows, weight.inputs)
        bias?.requireCount(weight.outputs)
        if let pair { projected?.requireShape(x.rows, pair.a.outputs) }
        output?.requireShape(x.rows, weight.outputs)
        output?.requireApart(x, bias, projected)
        projected?.requireApart(x, bias)
    }

    func requireApart(_ other: PlainProduct) {
        output?.requireApart(other.output, other.projected, other.bias)
        projected?.requireApart(other.output, other.projected, other.bias)
    }

    func compute(_ x: PlainMatrix) {
        if let pair, let projected { multiply(x, pair.a, into: projected) }
        guard let output else { return }
        multiply(x, weight, into: output)
        if let bias { for row in 0..<output.rows { addScaled(output.row(row), 1, bias.base, output.columns) } }
        if let pair, let projected { multiply(projected, pair.b, into: output, adds: true) }
    }
}

/// The gradient of one product.
private struct PlainGradient {
    let dOutput: PlainMatrix
    let adapter: Adapter?
    private let weight: PlainWeight

    struct Adapter {
        let pair: PlainPair
        let projected: PlainMatrix
        let dProjected: PlainMatrix
        let aGradient: PlainMatrix
        let bGradient: PlainMatrix
        let scale: Float
    }

    init(_ gradient: LinearGradient, of x: PlainMatrix, in backend: PlainBackend) {
        dOutput = backend.own(gradient.dOutput)
        weight = backend.own(gradient.weight)
        adapter = gradient.adapter.map { adapter in
            Adapter(
                pair: PlainPair(adapter.lowRank, beside: gradient.weight, in: backend),
                projected: backend.own(adapter.projected), dProjected: backend.own(adapter.dProjected),
                aGradient: backend.own(adapter.aGradient), bGradient: backend.own(adapter.bGradient),
                scale: adapter.scale)
        }
        dOutput.requireShape(x.rows, weight.outputs)
        x.requireShape(x.rows, weight.inputs)
        guard let adapter else { return }
        let (a, b) = (adapter.pair.a, adapter.pair.b)
        for matrix in [adapter.projected, adapter.dProjected] { matrix.requireShape(x.rows, a.outputs) }
        adapter.aGradient.requireShape(a.outputs, a.inputs)
        adapter.bGradient.requireShape(b.outputs, b.inputs)
        adapter.dProjected.requireApart(dOutput, adapter.projected, x)
        adapter.aGradient.requireApart(dOutput, adapter.projected, adapter.dProjected, x, adapter.bGradient)
        adapter.bGradient.requireApart(dOutput, adapter.projected, adapter.dProjected, x)
    }

    /// A's gradient += dProjectedᵀ x; B's += scale · dOutputᵀ projected.
    func addAdapterGradients(_ x: PlainMatrix) {
        guard let adapter else { return }
        let dProjected = adapter.dProjected
        dProjected.base.update(repeating: 0, count: dProjected.count)
        multiplyBack(dOutput, adapter.pair.b, addingTo: dProjected)
        addOuter(dProjected, x, scale: 1, to: adapter.aGradient)
        addOuter(dOutput, adapter.projected, scale: adapter.scale, to: adapter.bGradient)
    }

    func addInputGradient(to dx: PlainMatrix) {
        multiplyBack(dOutput, weight, addingTo: dx)
        if let adapter { multiplyBack(adapter.dProjected, adapter.pair.a, addingTo: dx) }
    }
}

/// An adapter's two matrices.
struct PlainPair {
    let a: PlainWeight
    let b: PlainWeight

    init(_ pair: LowRank, beside weight: Weight, in backend: PlainBackend) {
        (a, b) = (backend.own(pair.a), backend.own(pair.b))
        precondition(a.inputs == weight.inputs && b.outputs == weight.outputs, "an adapter of another weight")
    }
}

/// y = x Wᵀ, or y += x Wᵀ.
private func multiply(_ x: PlainMatrix, _ weight: PlainWeight, into y: PlainMatrix, adds: Bool = false) {
    let (from, to) = (x.base, y.base)
    for output in 0..<weight.outputs {
        let values = weight.row(output)
        for row in 0..<x.rows {
            let product = dot(from + row * x.columns, values, x.columns)
            to[row * y.columns + output] = adds ? to[row * y.columns + output] + product : product
        }
    }
}

/// dx += dy W.
private func multiplyBack(_ dy: PlainMatrix, _ weight: PlainWeight, addingTo dx: PlainMatrix) {
    for output in 0..<weight.outputs {
        let values = weight.row(output)
        for row in 0..<dy.rows { addScaled(dx.row(row), dy.row(row)[output], values, dx.columns) }
    }
}

/// c += scale · aᵀ b.
private func addOuter(_ a: PlainMatrix, _ b: PlainMatrix, scale: Float, to c: PlainMatrix) {
    for index in 0..<c.rows {
        for row in 0..<a.rows { addScaled(c.row(index), scale * a.row(row)[index], b.row(row), c.columns) }
    }
}
