internal import CKernels

/// A product ready to be computed: addresses and sizes, as `ProductRows`.
private struct ForwardPart {
    let weight: apus_weight
    let panels: Int
    let bias: UnsafeMutablePointer<Float>?
    let adapter: AdapterPart?
    /// [rows][outputs]; nil where only the adapter's projection is wanted.
    let output: UnsafeMutablePointer<Float>?

    /// The adapter's two factors, and the rows between them.
    struct AdapterPart {
        let a: apus_weight
        let aPanels: Int
        let b: apus_weight
        let projected: ProductRows
    }
}

extension CPUBackend {
    private var panelWidth: Int { Int(kernels.linear.panel_width) }

    func inputPanels(_ inputs: Int) -> Int { (inputs + panelWidth - 1) / panelWidth }

    /// See `Backend`. Many rows are split by rows, which then stay with their thread from rounding to result; few rows by
    /// the panels of the weights.
    public func linear(_ x: Matrix, _ products: [LinearProduct]) {
        let rows = productRows(x, slot: 0, form: products[0].weight.inputForm)
        let parts = products.enumerated().map { index, product in
            forwardPart(product, slot: index + 1, rows: rows, form: products[0].weight.inputForm)
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
    static let fewRows = 48

    private func forwardPart(_ product: LinearProduct, slot: Int, rows: ProductRows, form: RowForm) -> ForwardPart {
        let weight = product.weight
        precondition(weight.inputs == rows.columns && weight.inputForm == form, "the products read other rows")
        if let output = product.output {
            precondition(output.rows == rows.count && output.columns == weight.outputs, "shapes differ")
        }
        let adapter = product.adapter.map { lowRank, projected in
            precondition(
                lowRank.a.inputs == rows.columns && lowRank.a.inputForm == form, "the adapter reads other rows")
            precondition(projected.rows == rows.count && projected.columns == lowRank.rank, "shapes differ")
            return ForwardPart.AdapterPart(
                a: lowRank.a.packed, aPanels: lowRank.a.panels, b: lowRank.b.packed,
                projected: productRows(projected, slot: slot, form: lowRank.b.inputForm))
        }
        return ForwardPart(
            weight: weight.packed, panels: weight.panels, bias: product.bias?.pointer, adapter: adapter,
            output: product.output?.pointer)
    }

    /// Everything about some rows of one product.
    private func multiplyRows(_ rows: ProductRows, _ part: ForwardPart, _ range: Range<Int>, thread: Int) {
        if let adapter = part.adapter {
            let projected = adapter.projected
            forward(
                adapter.a, rows.part(range), into: projected.values + range.lowerBound * projected.columns,
                panels: 0..<adapter.aPanels, thread: thread)
            round(projected, range)
        }
        multiply(rows, part, range, panels: 0..<part.panels, thread: thread)
    }

    /// First every adapter's narrow projection, then the wide products, both split by panels. Rounding so little is left
    /// to the calling thread.
    private func multiplyFewRows(_ rows: ProductRows, _ parts: [ForwardPart]) {
        let all = 0..<rows.count
        round(rows, all)
        let narrow = parts.compactMap(\.adapter).flatMap { adapter in (0..<adapter.aPanels).map { (adapter, $0) } }
        deal(narrow.count) { thread, task in
            let (adapter, panel) = narrow[task]
            self.forward(
                adapter.a, rows.all, into: adapter.projected.values, panels: panel..<panel + 1, thread: thread)
        }
        for part in parts { part.adapter.map { round($0.projected, all) } }
        let wide = parts.filter { $0.output != nil }
        split(wide.reduce(0) { $0 + $1.panels }) { thread, panels in
            var first = 0
            for part in wide {
                let own = panels.clamped(to: first..<first + part.panels)
                if !own.isEmpty {
                    self.multiply(
                        rows, part, all, panels: own.lowerBound - first..<own.upperBound - first, thread: thread)
                }
                first += part.panels
            }
        }
    }

    private func multiply(
        _ rows: ProductRows, _ part: ForwardPart, _ range: Range<Int>, panels: Range<Int>, thread: Int
    ) {
        guard let output = part.output.map({ $0 + range.lowerBound * Int(part.weight.outputs) }) else { return }
        forward(part.weight, rows.part(range), bias: part.bias, into: output, panels: panels, thread: thread)
        if let adapter = part.adapter {
            forward(
                adapter.b, adapter.projected.part(range), into: output, accumulate: true, panels: panels,
                thread: thread)
        }
    }

    /// y = x Wᵀ (+ bias), or y += x Wᵀ; y has a row's outputs side by side.
    func forward(
        _ weight: apus_weight, _ x: apus_rows, bias: UnsafeMutablePointer<Float>? = nil,
        into y: UnsafeMutablePointer<Float>, accumulate: Bool = false, panels: Range<Int>, thread: Int
    ) {
        // The kernels do not write them.
        var (weight, x) = (weight, x)
        kernels.linear.forward(
            &weight, &x, bias, y, Int(weight.outputs), accumulate ? 1 : 0, Int32(panels.lowerBound),
            Int32(panels.upperBound), scratch(thread))
    }

    /// dx = dy W or dx += dy W, over some outputs, of which dy has a column each.
    func backward(
        _ weight: apus_weight, _ dy: apus_rows, outputs: Range<Int>? = nil, into dx: UnsafeMutablePointer<Float>,
        accumulate: Bool, thread: Int
    ) {
        let outputs = outputs ?? 0..<Int(weight.outputs)
        var (weight, dy) = (weight, dy)
        let inputs = Int(weight.inputs)
        kernels.linear.backward(
            &weight, &dy, Int32(outputs.lowerBound), Int32(outputs.upperBound), dx, inputs, accumulate ? 1 : 0, 0,
            Int32(inputPanels(inputs)), scratch(thread))
    }
}
