internal import CKernels

extension CPUBackend {
    private var panelWidth: Int { Int(kernels.linear.panel_width) }

    func inputPanels(_ inputs: Int) -> Int { (inputs + panelWidth - 1) / panelWidth }

    /// See `Backend`. First what is split by rows: rounding them, and every adapter's narrow projection; then the wide
    /// products, split by panels.
    public func linear(_ x: Matrix, _ products: [LinearProduct]) {
        let wide = products.filter { $0.output != nil }
        let rounds = wide.contains { $0.weight.roundsRows } || products.contains { $0.lowRank?.a.roundsRows ?? false }
        let rows = productRows(x, slot: 0, block: products[0].weight.group, rounds: rounds)
        let projected = products.enumerated().map { index, product in
            product.projected.map {
                productRows(
                    $0, slot: index + 1, block: product.lowRank?.b.group ?? 2,
                    rounds: product.lowRank?.b.roundsRows ?? false)
            }
        }
        if x.rows <= Self.fewRows {
            projectFewRows(rows, products, projected)
        } else {
            projectRows(rows, products, projected)
        }
        guard !wide.isEmpty else { return }
        let panels = wide.reduce(0) { $0 + $1.weight.panels }
        split(panels) { thread, part in
            var first = 0
            for (product, projected) in zip(products, projected) where product.output != nil {
                let own = part.clamped(to: first..<first + product.weight.panels)
                if !own.isEmpty {
                    let range = own.lowerBound - first..<own.upperBound - first
                    self.multiply(rows, projected, product, panels: range, thread: thread)
                }
                first += product.weight.panels
            }
        }
    }

    /// Rows up to which a narrow projection is split by its panels: a tile of few rows costs hardly less than a full one.
    private static let fewRows = 16

    /// Rounds the rows and computes every adapter's projection, split by rows.
    private func projectRows(_ rows: ProductRows, _ products: [LinearProduct], _ projected: [ProductRows?]) {
        split(rows.matrix.rows) { thread, part in
            self.round(rows, part)
            for (product, projected) in zip(products, projected) {
                guard let a = product.lowRank?.a, let projected else { continue }
                self.forward(
                    a, rows.part(part), bias: nil, into: projected.matrix.rows(part), accumulate: false,
                    panels: 0..<a.panels, thread: thread)
                self.round(projected, part)
            }
        }
    }

    /// The same for a few rows, split by the adapters' panels. Rounding so little is left to the calling thread.
    private func projectFewRows(_ rows: ProductRows, _ products: [LinearProduct], _ projected: [ProductRows?]) {
        let all = 0..<rows.matrix.rows
        round(rows, all)
        let tasks = zip(products, projected).flatMap { product, projected in
            (0..<(projected == nil ? 0 : product.lowRank?.a.panels ?? 0)).map { (product, projected, $0) }
        }
        guard !tasks.isEmpty else { return }
        deal(tasks.count) { thread, task in
            let (product, projected, panel) = tasks[task]
            guard let a = product.lowRank?.a, let projected else { return }
            self.forward(
                a, rows.all, bias: nil, into: projected.matrix, accumulate: false, panels: panel..<panel + 1,
                thread: thread)
        }
        for case let projected? in projected { round(projected, all) }
    }

    private func multiply(
        _ rows: ProductRows, _ projected: ProductRows?, _ product: LinearProduct, panels: Range<Int>, thread: Int
    ) {
        guard let output = product.output else { return }
        forward(
            product.weight, rows.all, bias: product.bias, into: output, accumulate: false, panels: panels,
            thread: thread)
        if let lowRank = product.lowRank, let projected {
            forward(lowRank.b, projected.all, bias: nil, into: output, accumulate: true, panels: panels, thread: thread)
        }
    }

    func forward(
        _ weight: Weight, _ x: apus_rows, bias: Matrix?, into y: Matrix, accumulate: Bool, panels: Range<Int>,
        thread: Int
    ) {
        precondition(x.ld == weight.inputs && y.columns == weight.outputs && Int(x.count) == y.rows, "shapes differ")
        precondition(x.rounded != nil || !weight.roundsRows, "rows are not rounded")
        withUnsafePointer(to: weight.packed) { packed in
            withUnsafePointer(to: x) {
                kernels.linear.forward(
                    packed, $0, bias?.pointer, y.pointer, y.columns, accumulate ? 1 : 0, Int32(panels.lowerBound),
                    Int32(panels.upperBound), scratch(thread))
            }
        }
    }

    /// See `Backend`.
    public func linearBackward(_ gradients: [LinearGradient], input x: Matrix, dx: Matrix?, accumulate: Bool) {
        let parts = gradients.enumerated().map { index, gradient in
            BackwardPart(
                gradient: gradient,
                dOutput: productRows(
                    gradient.dOutput, slot: 2 * index, block: Int(kernels.linear.backward_block),
                    rounds: gradient.weight.roundsRows || gradient.adapter?.lowRank.b.roundsRows ?? false),
                dProjected: gradient.adapter.map {
                    productRows(
                        $0.dProjected, slot: 2 * index + 1, block: Int(kernels.linear.backward_block),
                        rounds: $0.lowRank.a.roundsRows)
                })
        }
        prepareBackward(parts, rows: x.rows)
        if let dx { inputGradient(parts, dx: dx, accumulate: accumulate) }
        adapterGradients(parts, input: x)
    }

    /// One gradient with the rows that enter its products.
    private struct BackwardPart {
        let gradient: LinearGradient
        let dOutput: ProductRows
        let dProjected: ProductRows?
    }

    /// Rounds what enters the wide products, and dProjected = dOutput · scale·B. Split by rows.
    private func prepareBackward(_ parts: [BackwardPart], rows: Int) {
        split(rows) { thread, rows in
            for part in parts {
                self.round(part.dOutput, rows)
                guard let adapter = part.gradient.adapter, let projected = part.dProjected else { continue }
                self.backward(
                    adapter.lowRank.b, part.dOutput.part(rows), into: projected.matrix.rows(rows), accumulate: false,
                    panels: 0..<self.inputPanels(adapter.lowRank.rank), thread: thread)
                self.round(projected, rows)
            }
        }
    }

    /// dx (+)= Σ dOutput W + dProjected A, split by panels of inputs.
    private func inputGradient(_ parts: [BackwardPart], dx: Matrix, accumulate: Bool) {
        split(inputPanels(dx.columns)) { thread, range in
            for (index, part) in parts.enumerated() {
                self.backward(
                    part.gradient.weight, part.dOutput.all, into: dx, accumulate: accumulate || index > 0,
                    panels: range, thread: thread)
                if let adapter = part.gradient.adapter, let projected = part.dProjected {
                    self.backward(
                        adapter.lowRank.a, projected.all, into: dx, accumulate: true, panels: range, thread: thread)
                }
            }
        }
    }

    /// - Parameter outputs: nil for all outputs; dy has one column for each of them.
    func backward(
        _ weight: Weight, _ dy: apus_rows, outputs: Range<Int>? = nil, into dx: Matrix, accumulate: Bool,
        panels: Range<Int>, thread: Int
    ) {
        let outputs = outputs ?? 0..<weight.outputs
        precondition(dy.ld >= outputs.count && dx.columns == weight.inputs && dx.rows == Int(dy.count), "shapes differ")
        precondition(dy.rounded != nil || !weight.roundsRows, "rows are not rounded")
        withUnsafePointer(to: weight.packed) { packed in
            withUnsafePointer(to: dy) {
                kernels.linear.backward(
                    packed, $0, Int32(outputs.lowerBound), Int32(outputs.upperBound), dx.pointer, dx.columns,
                    accumulate ? 1 : 0, Int32(panels.lowerBound), Int32(panels.upperBound), scratch(thread))
            }
        }
    }

    /// A's gradient += dProjectedᵀ x; B's += scale · dOutputᵀ projected. A task is some rows of one gradient.
    private func adapterGradients(_ parts: [BackwardPart], input x: Matrix) {
        var tasks: [OuterProduct] = []
        for part in parts {
            guard let adapter = part.gradient.adapter else { continue }
            tasks += OuterProduct(adapter.dProjected, x, alpha: 1, adding: adapter.aGradient).tasks
            tasks +=
                OuterProduct(
                    part.gradient.dOutput, adapter.projected, alpha: adapter.scale, adding: adapter.bGradient
                ).tasks
        }
        guard !tasks.isEmpty else { return }
        deal(tasks.count) { _, task in
            let outer = tasks[task]
            self.kernels.linear.outer(
                outer.a.pointer, outer.a.columns, outer.b.pointer, outer.b.columns, Int32(outer.a.rows), outer.alpha,
                outer.c.pointer, outer.c.columns, Int32(outer.rows.lowerBound), Int32(outer.rows.upperBound),
                Int32(outer.c.columns))
        }
    }

    /// c += alpha · aᵀ b, for some rows of c.
    private struct OuterProduct {
        let a: Matrix
        let b: Matrix
        let alpha: Float
        let c: Matrix
        var rows: Range<Int>

        init(_ a: Matrix, _ b: Matrix, alpha: Float, adding c: Matrix) {
            precondition(c.rows == a.columns && c.columns == b.columns && a.rows == b.rows, "shapes differ")
            (self.a, self.b, self.alpha, self.c) = (a, b, alpha, c)
            rows = 0..<c.rows
        }

        /// About the same work each, in whole register tiles of 6 and of 8 rows.
        var tasks: [OuterProduct] {
            let step = max(24, 24_576 / max(c.columns, 1) / 24 * 24)
            return stride(from: 0, to: c.rows, by: step).map { first in
                var task = self
                task.rows = first..<min(first + step, c.rows)
                return task
            }
        }
    }
}
