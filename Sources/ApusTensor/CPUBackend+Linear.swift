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

    /// See `Backend`. First the rows are rounded and every adapter's narrow projection computed, then the wide products.
    public func linear(_ x: Matrix, _ products: [LinearProduct]) {
        let rows = productRows(x, slot: 0, form: products[0].weight.inputForm)
        let parts = products.enumerated().map { index, product in
            forwardPart(product, slot: index + 1, rows: rows, form: products[0].weight.inputForm)
        }
        if x.rows <= Self.fewRows {
            projectFewRows(rows, parts.compactMap(\.adapter))
        } else {
            split(x.rows) { thread, range in
                self.round(rows, range)
                for part in parts { part.adapter.map { self.project(rows, $0, range, thread: thread) } }
            }
        }
        multiply(rows, parts.filter { $0.output != nil })
    }

    /// Rows up to which narrow projections are split by panels: below, a tile of a part of them costs hardly less than one
    /// of all.
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

    /// Some rows of one adapter's narrow projection.
    private func project(
        _ rows: ProductRows, _ adapter: ForwardPart.AdapterPart, _ range: Range<Int>, thread: Int
    ) {
        let projected = adapter.projected
        forward(
            adapter.a, rows.part(range), into: projected.values + range.lowerBound * projected.columns,
            panels: 0..<adapter.aPanels, thread: thread)
        round(projected, range)
    }

    /// Narrow projections split by panels. Rounding so little is left to the calling thread.
    private func projectFewRows(_ rows: ProductRows, _ adapters: [ForwardPart.AdapterPart]) {
        let all = 0..<rows.count
        round(rows, all)
        let narrow = adapters.flatMap { adapter in (0..<adapter.aPanels).map { (adapter, $0) } }
        deal(narrow.count) { thread, task in
            let (adapter, panel) = narrow[task]
            self.forward(
                adapter.a, rows.all, into: adapter.projected.values, panels: panel..<panel + 1, thread: thread)
        }
        for adapter in adapters { round(adapter.projected, all) }
    }

    /// The wide products, whose panels count as one run.
    private func multiply(_ rows: ProductRows, _ parts: [ForwardPart]) {
        let grid = ProductGrid(
            rows: rows.count, panels: parts.reduce(0) { $0 + $1.panels }, threads: pool.threads)
        deal(grid.count) { thread, task in
            let (range, panels) = grid[task]
            var first = 0
            for part in parts {
                let own = panels.clamped(to: first..<first + part.panels)
                if !own.isEmpty {
                    self.multiply(
                        rows, part, range, panels: own.lowerBound - first..<own.upperBound - first, thread: thread)
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
    ///
    /// - Parameter panels: the panels of inputs to compute; nil for all.
    func backward(
        _ weight: apus_weight, _ dy: apus_rows, outputs: Range<Int>? = nil, into dx: UnsafeMutablePointer<Float>,
        accumulate: Bool, panels: Range<Int>? = nil, thread: Int
    ) {
        let outputs = outputs ?? 0..<Int(weight.outputs)
        var (weight, dy) = (weight, dy)
        let inputs = Int(weight.inputs)
        let panels = panels ?? 0..<inputPanels(inputs)
        kernels.linear.backward(
            &weight, &dy, Int32(outputs.lowerBound), Int32(outputs.upperBound), dx, inputs, accumulate ? 1 : 0,
            Int32(panels.lowerBound), Int32(panels.upperBound), scratch(thread))
    }
}
