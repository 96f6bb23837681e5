internal import CKernels

extension CPUBackend {
    private var panelWidth: Int { Int(kernels.linear.panel_width) }

    func inputPanels(_ inputs: Int) -> Int { (inputs + panelWidth - 1) / panelWidth }

    /// See `Backend`. Many rows are split by rows, which then stay with their thread from rounding to result; few rows by
    /// the panels of the weights.
    public func linear(_ x: Matrix, _ products: [LinearProduct]) {
        let rows = productRows(x, slot: 0, form: products[0].weight.inputForm)
        let parts = products.enumerated().map { index, product in
            let projected = product.adapter.map { adapter in
                precondition(
                    adapter.lowRank.a.inputForm == products[0].weight.inputForm, "the adapter reads other rows")
                return productRows(adapter.projected, slot: index + 1, form: adapter.lowRank.b.inputForm)
            }
            return ForwardPart(product: product, projected: projected)
        }
        if x.rows <= Self.fewRows {
            multiplyFewRows(rows, parts)
        } else {
            split(x.rows) { thread, range in
                self.round(rows, range)
                for part in parts { self.multiplyRows(rows, part, range, thread: thread) }
            }
        }
    }

    /// Rows up to which work is split by panels: below, a tile of a part of them costs hardly less than one of all.
    private static let fewRows = 48

    /// One product with the rows that its adapter's second factor reads.
    private struct ForwardPart {
        let product: LinearProduct
        let projected: ProductRows?
    }

    /// Everything about some rows of one product.
    private func multiplyRows(_ rows: ProductRows, _ part: ForwardPart, _ range: Range<Int>, thread: Int) {
        let product = part.product
        if let a = product.lowRank?.a, let projected = part.projected {
            forward(
                a, rows.part(range), bias: nil, into: projected.matrix.rows(range), accumulate: false,
                panels: 0..<a.panels, thread: thread)
            round(projected, range)
        }
        multiply(rows, part, range, panels: 0..<product.weight.panels, thread: thread)
    }

    /// First every adapter's narrow projection, then the wide products, both split by panels. Rounding so little is left
    /// to the calling thread.
    private func multiplyFewRows(_ rows: ProductRows, _ parts: [ForwardPart]) {
        let all = 0..<rows.matrix.rows
        round(rows, all)
        let narrow = parts.flatMap { part in
            (0..<(part.projected == nil ? 0 : part.product.lowRank?.a.panels ?? 0)).map { (part, $0) }
        }
        deal(narrow.count) { thread, task in
            let (part, panel) = narrow[task]
            guard let a = part.product.lowRank?.a, let projected = part.projected else { return }
            self.forward(
                a, rows.all, bias: nil, into: projected.matrix, accumulate: false, panels: panel..<panel + 1,
                thread: thread)
        }
        for part in parts { part.projected.map { round($0, all) } }
        let wide = parts.filter { $0.product.output != nil }
        split(wide.reduce(0) { $0 + $1.product.weight.panels }) { thread, panels in
            var first = 0
            for part in wide {
                let own = panels.clamped(to: first..<first + part.product.weight.panels)
                if !own.isEmpty {
                    self.multiply(
                        rows, part, all, panels: own.lowerBound - first..<own.upperBound - first, thread: thread)
                }
                first += part.product.weight.panels
            }
        }
    }

    private func multiply(
        _ rows: ProductRows, _ part: ForwardPart, _ range: Range<Int>, panels: Range<Int>, thread: Int
    ) {
        let product = part.product
        guard let output = product.output?.rows(range) else { return }
        forward(
            product.weight, rows.part(range), bias: product.bias, into: output, accumulate: false, panels: panels,
            thread: thread)
        if let lowRank = product.lowRank, let projected = part.projected {
            forward(
                lowRank.b, projected.part(range), bias: nil, into: output, accumulate: true, panels: panels,
                thread: thread)
        }
    }

    func forward(
        _ weight: Weight, _ x: apus_rows, bias: Matrix?, into y: Matrix, accumulate: Bool, panels: Range<Int>,
        thread: Int
    ) {
        precondition(x.ld == weight.inputs && y.columns == weight.outputs && Int(x.count) == y.rows, "shapes differ")
        precondition(x.rounded != nil || !weight.inputForm.rounds, "rows are not rounded")
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
                dOutput: productRows(gradient.dOutput, slot: 2 * index, form: gradient.weight.outputForm),
                dProjected: gradient.adapter.map {
                    productRows($0.dProjected, slot: 2 * index + 1, form: $0.lowRank.a.outputForm)
                })
        }
        // Panels are turned once for each piece of rows, which costs more than unpacking them: fewer pieces.
        split(x.rows, piecesPerThread: 2) { thread, range in
            self.prepareBackward(parts, range, thread: thread)
            if let dx {
                self.inputGradient(parts, range, dx: dx.rows(range), accumulate: accumulate, thread: thread)
            }
        }
        adapterGradients(parts, input: x)
    }

    /// One gradient with the rows that enter its products.
    private struct BackwardPart {
        let gradient: LinearGradient
        let dOutput: ProductRows
        let dProjected: ProductRows?
    }

    /// Rounds some rows of what enters the wide products, and dProjected = dOutput · scale·B.
    private func prepareBackward(_ parts: [BackwardPart], _ rows: Range<Int>, thread: Int) {
        for part in parts {
            round(part.dOutput, rows)
            guard let adapter = part.gradient.adapter, let projected = part.dProjected else { continue }
            backward(
                adapter.lowRank.b, part.dOutput.part(rows), into: projected.matrix.rows(rows), accumulate: false,
                panels: 0..<inputPanels(adapter.lowRank.rank), thread: thread)
            round(projected, rows)
        }
    }

    /// Some rows of dx (+)= Σ dOutput W + dProjected A.
    private func inputGradient(
        _ parts: [BackwardPart], _ rows: Range<Int>, dx: Matrix, accumulate: Bool, thread: Int
    ) {
        let panels = 0..<inputPanels(dx.columns)
        for (index, part) in parts.enumerated() {
            backward(
                part.gradient.weight, part.dOutput.part(rows), into: dx, accumulate: accumulate || index > 0,
                panels: panels, thread: thread)
            if let adapter = part.gradient.adapter, let projected = part.dProjected {
                backward(
                    adapter.lowRank.a, projected.part(rows), into: dx, accumulate: true, panels: panels,
                    thread: thread)
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
        precondition(dy.rounded != nil || !weight.outputForm.rounds, "rows are not rounded")
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
