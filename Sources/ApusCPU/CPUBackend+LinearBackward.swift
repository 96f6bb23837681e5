public import ApusTensor
internal import CKernels

/// A gradient ready to be computed: addresses and sizes, as `ProductRows`.
private struct BackwardPart {
    let weight: apus_weight
    let dOutput: ProductRows
    let adapter: AdapterPart?

    /// The adapter's two factors, and the gradient between them.
    struct AdapterPart {
        let a: apus_weight
        let b: apus_weight
        let dProjected: ProductRows
    }
}

extension CPUBackend {
    /// See `Backend`. The adapters' gradients come before `dx`, which may lie where `x` did.
    public func linearBackward(_ gradients: [LinearGradient], input x: Matrix, dx: Matrix?, accumulate: Bool) {
        let parts = gradients.enumerated().map { index, gradient in backwardPart(gradient, slot: 2 * index, x) }
        precondition(dx.map { $0.rows == x.rows && $0.columns == x.columns } ?? true, "shapes differ")
        split(x.rows) { thread, range in
            for part in parts { self.prepareBackward(part, range, thread: thread) }
        }
        adapterGradients(gradients, input: x)
        guard let dx else { return }
        let (to, width) = (dx.pointer, dx.columns)
        let grid = ProductGrid(rows: x.rows, panels: inputPanels(width), threads: pool.threads)
        deal(grid) { thread, range, panels in
            for (index, part) in parts.enumerated() {
                self.inputGradient(
                    part, range, to: to + range.lowerBound * width, accumulate: accumulate || index > 0,
                    panels: panels, thread: thread)
            }
        }
    }

    private func backwardPart(_ gradient: LinearGradient, slot: Int, _ x: Matrix) -> BackwardPart {
        let (weight, dOutput) = (gradient.weight, gradient.dOutput)
        precondition(dOutput.columns == weight.outputs && weight.inputs == x.columns, "shapes differ")
        let adapter = gradient.adapter.map { adapter in
            let (a, b) = (adapter.lowRank.a.cpu, adapter.lowRank.b.cpu)
            precondition(b.outputForm == weight.cpu.outputForm || !b.outputForm.rounds, "the adapter reads other rows")
            return BackwardPart.AdapterPart(
                a: a.packed, b: b.packed,
                dProjected: productRows(adapter.dProjected, slot: slot + 1, form: a.outputForm))
        }
        return BackwardPart(
            weight: weight.cpu.packed, dOutput: productRows(dOutput, slot: slot, form: weight.cpu.outputForm),
            adapter: adapter)
    }

    /// Rounds some rows of what enters the wide products, and dProjected = dOutput · scale·B.
    private func prepareBackward(_ part: BackwardPart, _ rows: Range<Int>, thread: Int) {
        round(part.dOutput, rows)
        guard let adapter = part.adapter else { return }
        let projected = adapter.dProjected
        backward(
            adapter.b, part.dOutput.part(rows), into: projected.values + rows.lowerBound * projected.columns,
            accumulate: false, thread: thread)
        round(projected, rows)
    }

    /// Some rows and panels of dx (+)= dOutput W + dProjected A; `to` is the first of the rows.
    private func inputGradient(
        _ part: BackwardPart, _ rows: Range<Int>, to: UnsafeMutablePointer<Float>, accumulate: Bool,
        panels: Range<Int>, thread: Int
    ) {
        backward(
            part.weight, part.dOutput.part(rows), into: to, accumulate: accumulate, panels: panels, thread: thread)
        if let adapter = part.adapter {
            backward(
                adapter.a, adapter.dProjected.part(rows), into: to, accumulate: true, panels: panels, thread: thread)
        }
    }

    /// A's gradient += dProjectedᵀ x; B's += scale · dOutputᵀ projected.
    private func adapterGradients(_ gradients: [LinearGradient], input x: Matrix) {
        var products: [OuterProduct] = []
        for gradient in gradients {
            guard let adapter = gradient.adapter else { continue }
            products.append(OuterProduct(adapter.dProjected, x, alpha: 1, adding: adapter.aGradient))
            products.append(
                OuterProduct(gradient.dOutput, adapter.projected, alpha: adapter.scale, adding: adapter.bGradient))
        }
        addOuterProducts(products)
    }

    /// Adds outer products. A task is some rows or some columns of one of them.
    func addOuterProducts(_ products: [OuterProduct]) {
        let tasks = products.flatMap(\.tasks)
        deal(tasks.count) { _, task in
            let outer = tasks[task]
            self.kernels.linear.outer(
                outer.a, outer.width, outer.b + outer.columns.lowerBound, outer.length, Int32(outer.depth), outer.alpha,
                outer.c + outer.columns.lowerBound, outer.length, Int32(outer.rows.lowerBound),
                Int32(outer.rows.upperBound), Int32(outer.columns.count))
        }
    }
}

/// c += alpha · aᵀ b, for some rows and columns of c: addresses and sizes, as `ProductRows`.
struct OuterProduct {
    let a, b, c: UnsafeMutablePointer<Float>
    /// Rows of a and b; values in a row of a; values in a row of b and of c.
    let depth, width, length: Int
    let alpha: Float
    var rows, columns: Range<Int>

    init(_ a: Matrix, _ b: Matrix, alpha: Float, adding c: Matrix) {
        precondition(c.rows == a.columns && c.columns == b.columns && a.rows == b.rows, "shapes differ")
        (self.a, self.b, self.c) = (a.pointer, b.pointer, c.pointer)
        (depth, width, length, self.alpha) = (a.rows, a.columns, b.columns, alpha)
        (rows, columns) = (0..<c.rows, 0..<c.columns)
    }

    /// Results of a task: about the same work each.
    private static let taskSize = 8_192
    /// What tasks are cut at: whole register tiles of every width.
    private static let grain = 192

    /// Cut along the wider side: the narrow one is brought into a kernel's own form once for each task.
    var tasks: [OuterProduct] {
        let isWide = columns.count > rows.count
        let (wide, narrow) = isWide ? (columns, rows) : (rows, columns)
        let step = max(1, Self.taskSize / max(narrow.count, 1) / Self.grain) * Self.grain
        return stride(from: 0, to: wide.count, by: step).map { first in
            var task = self
            let own = first..<min(first + step, wide.count)
            if isWide { task.columns = own } else { task.rows = own }
            return task
        }
    }
}
