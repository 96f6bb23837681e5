public import ApusTensor
internal import CKernels

/// A product ready to be computed, of rows that are rounded by then: addresses and sizes, as `ProductRows`.
private struct ForwardPart {
    let rows: ProductRows
    let weight: apus_weight
    let panels: Int
    var bias: UnsafeMutablePointer<Float>?
    /// [rows][outputs].
    let output: UnsafeMutablePointer<Float>
    /// Whether the product is added to what is there.
    var accumulates = false
}

/// The products of one module.
private struct ModuleParts {
    /// x Wᵀ; nil where only the adapter's projection is wanted.
    let wide: ForwardPart?
    /// x Aᵀ.
    let narrow: ForwardPart?
    /// (x Aᵀ) Bᵀ, added to the wide product.
    let added: ForwardPart?
}

/// A product and what is added to its panels in the same task, while they are in cache.
private struct PanelWork {
    let first: ForwardPart
    var then: ForwardPart?
}

extension CPUBackend {
    private var panelWidth: Int { Int(kernels.linear.panel_width) }

    func inputPanels(_ inputs: Int) -> Int { (inputs + panelWidth - 1) / panelWidth }

    /// See `Backend`. Of many rows each thread first rounds its own and projects them for every adapter. Of few rows a
    /// narrow product is too little to cut by rows: its panels are dealt out with the wide ones. All uses are computed alike.
    public func linear(_ x: Matrix, _ products: [LinearProduct], for use: ProductUse) {
        let rows = productRows(x, slot: 0, form: products[0].weight.cpu.inputForm)
        let modules = products.enumerated().map { index, product in moduleParts(product, slot: index + 1, rows: rows) }
        let (wide, narrow) = (modules.compactMap(\.wide), modules.compactMap(\.narrow))
        if x.rows <= Self.fewRows {
            roundFewRows(rows)
            multiply((narrow + wide).map { PanelWork(first: $0) })
            let added = modules.compactMap(\.added)
            for part in added { round(part.rows, 0..<part.rows.count) }
            multiply(added.map { PanelWork(first: $0) })
        } else {
            split(x.rows) { thread, range in
                self.round(rows, range)
                for part in narrow { self.multiply(part, range, panels: 0..<part.panels, thread: thread) }
                for module in modules { module.added.map { self.round($0.rows, range) } }
            }
            multiply(modules.compactMap { module in module.wide.map { PanelWork(first: $0, then: module.added) } })
        }
    }

    /// Rows up to which a product is cut by panels alone: below, a tile of a part of them costs hardly less than one of all.
    package static let fewRows = 48

    /// What rounding an element costs beside touching it.
    package static let roundingWeight = 2

    /// Rounds rows of a product that is cut by panels alone, on all threads.
    package func roundFewRows(_ rows: ProductRows) {
        split(rows.count, work: Self.roundingWeight * rows.count * rows.columns) { _, range in self.round(rows, range) }
    }

    private func moduleParts(_ product: LinearProduct, slot: Int, rows: ProductRows) -> ModuleParts {
        let wide = product.output.map { part(product.weight, rows, into: $0, bias: product.bias) }
        guard let (lowRank, projected) = product.adapter else {
            return ModuleParts(wide: wide, narrow: nil, added: nil)
        }
        let projectedRows = productRows(projected, slot: slot, form: lowRank.b.cpu.inputForm)
        return ModuleParts(
            wide: wide, narrow: part(lowRank.a, rows, into: projected),
            added: product.output.map { part(lowRank.b, projectedRows, into: $0, accumulates: true) })
    }

    private func part(
        _ weight: Weight, _ rows: ProductRows, into output: Matrix, bias: Matrix? = nil, accumulates: Bool = false
    ) -> ForwardPart {
        let own = weight.cpu
        precondition(weight.inputs == rows.columns, "the products read other rows")
        precondition(rows.rounded?.form == (own.inputForm.rounds ? own.inputForm : nil), "rows in another form")
        precondition(output.rows == rows.count && output.columns == weight.outputs, "shapes differ")
        return ForwardPart(
            rows: rows, weight: own.packed, panels: own.panels, bias: bias?.pointer, output: output.pointer,
            accumulates: accumulates)
    }

    /// Products of as many rows, whose panels count as one run.
    private func multiply(_ works: [PanelWork]) {
        guard let rows = works.first?.first.rows.count else { return }
        let grid = ProductGrid(
            rows: rows, panels: works.reduce(0) { $0 + $1.first.panels }, threads: pool.threads)
        works.withUnsafeBufferPointer { works in
            deal(grid) { thread, range, panels in
                var begin = 0
                for i in works.indices {
                    let end = begin + works[i].first.panels
                    let own = panels.clamped(to: begin..<end)
                    if !own.isEmpty {
                        let own = own.lowerBound - begin..<own.upperBound - begin
                        self.multiply(works[i].first, range, panels: own, thread: thread)
                        if let then = works[i].then { self.multiply(then, range, panels: own, thread: thread) }
                    }
                    begin = end
                }
            }
        }
    }

    private func multiply(_ part: ForwardPart, _ range: Range<Int>, panels: Range<Int>, thread: Int) {
        forward(
            part.weight, part.rows.part(range), bias: part.bias,
            into: part.output + range.lowerBound * Int(part.weight.outputs), accumulate: part.accumulates,
            panels: panels, thread: thread)
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
