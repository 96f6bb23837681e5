internal import CKernels

extension CPUBackend {
    private var panelWidth: Int { Int(kernels.linear.panel_width) }

    /// See `Backend`. First every adapter's narrow projection, split by rows; then the wide products, split by panels.
    public func linear(_ x: Matrix, _ products: [LinearProduct]) {
        project(x, products)
        let wide = products.filter { $0.output != nil }
        guard !wide.isEmpty else { return }
        let threads = pool.threads
        split(threads) { thread, parts in
            for product in wide {
                let panels = product.weight.panels
                let range = panels * parts.lowerBound / threads..<panels * parts.upperBound / threads
                self.multiply(x, product, panels: range, thread: thread)
            }
        }
    }

    /// projected = x Aᵀ for every product with an adapter.
    private func project(_ x: Matrix, _ products: [LinearProduct]) {
        let adapted = products.filter { $0.lowRank != nil }
        guard !adapted.isEmpty else { return }
        split(x.rows) { thread, rows in
            for product in adapted {
                guard let lowRank = product.lowRank, let to = product.projected else { continue }
                self.forward(
                    lowRank.a, x.rows(rows), bias: nil, into: to.rows(rows), accumulate: false,
                    panels: 0..<lowRank.a.panels, thread: thread)
            }
        }
    }

    private func multiply(_ x: Matrix, _ product: LinearProduct, panels: Range<Int>, thread: Int) {
        guard let output = product.output else { return }
        forward(
            product.weight, x, bias: product.bias, into: output, accumulate: false, panels: panels, thread: thread)
        if let lowRank = product.lowRank, let projected = product.projected {
            forward(lowRank.b, projected, bias: nil, into: output, accumulate: true, panels: panels, thread: thread)
        }
    }

    func forward(
        _ weight: Weight, _ x: Matrix, bias: Matrix?, into y: Matrix, accumulate: Bool, panels: Range<Int>, thread: Int
    ) {
        precondition(x.columns == weight.inputs && y.columns == weight.outputs && x.rows == y.rows, "shapes differ")
        withUnsafePointer(to: weight.packed) {
            kernels.linear.forward(
                $0, x.pointer, x.columns, Int32(x.rows), bias?.pointer, y.pointer, y.columns, accumulate ? 1 : 0,
                Int32(panels.lowerBound), Int32(panels.upperBound), scratch(thread))
        }
    }

    /// See `Backend`.
    public func linearBackward(_ gradients: [LinearGradient], input x: Matrix, dx: Matrix?, accumulate: Bool) {
        let adapted = gradients.compactMap { gradient in gradient.adapter.map { (gradient.dOutput, $0) } }
        if !adapted.isEmpty { projectBackward(adapted, rows: x.rows) }
        if let dx { inputGradient(gradients, dx: dx, accumulate: accumulate) }
        if !adapted.isEmpty { adapterGradients(adapted, input: x) }
    }

    /// dProjected = dOutput · scale·B, split by rows.
    private func projectBackward(_ adapted: [(Matrix, LinearGradient.Adapter)], rows: Int) {
        split(rows) { thread, rows in
            for (dOutput, adapter) in adapted {
                let panels = (adapter.lowRank.rank + self.panelWidth - 1) / self.panelWidth
                self.backward(
                    adapter.lowRank.b, dOutput.rows(rows), into: adapter.dProjected.rows(rows), accumulate: false,
                    panels: 0..<panels, thread: thread)
            }
        }
    }

    /// dx (+)= Σ dOutput W + dProjected A, split by panels of inputs.
    private func inputGradient(_ gradients: [LinearGradient], dx: Matrix, accumulate: Bool) {
        let panels = (dx.columns + panelWidth - 1) / panelWidth
        split(panels) { thread, range in
            for (index, gradient) in gradients.enumerated() {
                self.backward(
                    gradient.weight, gradient.dOutput, into: dx, accumulate: accumulate || index > 0, panels: range,
                    thread: thread)
                if let adapter = gradient.adapter {
                    self.backward(
                        adapter.lowRank.a, adapter.dProjected, into: dx, accumulate: true, panels: range,
                        thread: thread)
                }
            }
        }
    }

    private func backward(
        _ weight: Weight, _ dy: Matrix, into dx: Matrix, accumulate: Bool, panels: Range<Int>, thread: Int
    ) {
        precondition(dy.columns == weight.outputs && dx.columns == weight.inputs && dx.rows == dy.rows, "shapes differ")
        withUnsafePointer(to: weight.packed) {
            kernels.linear.backward(
                $0, dy.pointer, dy.columns, Int32(dy.rows), 0, Int32(weight.outputs), dx.pointer, dx.columns,
                accumulate ? 1 : 0, Int32(panels.lowerBound), Int32(panels.upperBound), scratch(thread))
        }
    }

    /// A's gradient += dProjectedᵀ x; B's += scale · dOutputᵀ projected. Split by rows of each gradient.
    private func adapterGradients(_ adapted: [(Matrix, LinearGradient.Adapter)], input x: Matrix) {
        let threads = pool.threads
        split(threads) { _, parts in
            for (dOutput, adapter) in adapted {
                self.outer(adapter.dProjected, x, alpha: 1, into: adapter.aGradient, parts, of: threads)
                self.outer(
                    dOutput, adapter.projected, alpha: adapter.scale, into: adapter.bGradient, parts, of: threads)
            }
        }
    }

    private func outer(
        _ a: Matrix, _ b: Matrix, alpha: Float, into c: Matrix, _ parts: Range<Int>, of total: Int
    ) {
        precondition(c.rows == a.columns && c.columns == b.columns && a.rows == b.rows, "shapes differ")
        kernels.linear.outer(
            a.pointer, a.columns, b.pointer, b.columns, Int32(a.rows), alpha, c.pointer, c.columns,
            Int32(c.rows * parts.lowerBound / total), Int32(c.rows * parts.upperBound / total), Int32(c.columns))
    }
}
