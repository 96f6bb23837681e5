internal import ApusTensor
internal import CCUDA

extension KernelName {
    fileprivate static let roundRows = KernelName("apus_round_rows")
    fileprivate static let fillRows = KernelName("apus_fill_rows")
}

/// Products that serve gradients alone, through NVIDIA's library.
///
/// Rows are rounded to bf16, and weights unpacked to bf16, a part at a time. What an adapter adds is a part of the same sum:
/// [x | x Aᵀ] [W | scale·B]ᵀ forwards, and [dy | dProjected] [W ; A] backwards.
extension CUDABackend {
    /// Computes products of one input.
    ///
    /// - Returns: false, with nothing done, where the library cannot, or where our own kernels are as fast.
    func multiplyByLibrary(_ x: Matrix, _ products: [LinearProduct]) -> Bool {
        guard let blas, suits(products.map(\.weight), rows: x.rows),
            products.allSatisfy({ $0.adapter == nil || $0.folded != nil })
        else { return false }
        let width = x.columns + (products.map(\.foldedColumns).max() ?? 0)
        let place = ProductSchedule.Place(column: 0, stride: width)
        var schedule = ProductSchedule(on: self, blas, productRoom)
        for rows in schedule.pieces(productLimits.pieces(ofRows: x.rows, width: width)) {
            schedule.round(x.rows(rows), to: place, width: x.columns)
            for product in products { add(product, of: x, rows, at: place, to: &schedule) }
        }
        return schedule.run()
    }

    /// Computes what `linearBackward` does.
    ///
    /// - Returns: false, with nothing done, where the library cannot, or where our own kernels are as fast.
    func multiplyBackwardByLibrary(
        _ gradients: [LinearGradient], input x: Matrix, dx: Matrix?, accumulate: Bool
    ) -> Bool {
        guard let blas, dx != nil || gradients.contains(where: { $0.folded != nil }),
            suits(gradients.map(\.weight), rows: x.rows)
        else { return false }
        let widths = gradients.map { $0.weight.outputs + $0.foldedColumns }
        let width = widths.reduce(0, +)
        let places = widths.indices.map { index in
            ProductSchedule.Place(column: widths[..<index].reduce(0, +), stride: width)
        }
        var schedule = ProductSchedule(on: self, blas, productRoom)
        for rows in schedule.pieces(productLimits.pieces(ofRows: x.rows, width: width)) {
            // All that reads x comes before dx, which may be x.
            for (gradient, place) in zip(gradients, places) {
                addProjection(of: gradient, input: x, rows, at: place, to: &schedule)
            }
            guard let dx = dx?.rows(rows) else { continue }
            for (index, (gradient, place)) in zip(gradients, places).enumerated() {
                addInputGradient(
                    of: gradient, rows, at: place, into: dx, accumulates: accumulate || index > 0, to: &schedule)
            }
        }
        return schedule.run()
    }

    /// Whether weights are of a kind and rows of a number that the library is for. fp32 is exact with our own kernels alone.
    private func suits(_ weights: [Weight], rows: Int) -> Bool {
        rows >= productLimits.leastRows
            && weights.allSatisfy { $0.cuda.kind != .f32 && $0.inputs % 8 == 0 && $0.outputs % 8 == 0 }
    }

    // MARK: Forwards

    private func add(
        _ product: LinearProduct, of x: Matrix, _ rows: Range<Int>, at place: ProductSchedule.Place,
        to schedule: inout ProductSchedule
    ) {
        let (weight, output) = (product.weight, product.output?.rows(rows))
        if let (lowRank, projected) = product.folded.map({ ($0.lowRank, $0.projected.rows(rows)) }) {
            let a = schedule.whole(lowRank.a, isTransposed: true)
            schedule.multiply(place, depth: weight.inputs, a, into: projected, accumulates: false)
            if output != nil {
                schedule.round(projected, to: place.after(weight.inputs), width: product.foldedColumns)
            }
        }
        if let output { addOutput(of: product, output, at: place, to: &schedule) }
    }

    private func addOutput(
        of product: LinearProduct, _ output: Matrix, at place: ProductSchedule.Place, to schedule: inout ProductSchedule
    ) {
        let (weight, bias) = (product.weight, product.bias)
        let depth = weight.inputs + product.foldedColumns
        if let bias { schedule.append { self.fillRows(of: output, with: bias) } }
        for columns in schedule.pieces(productLimits.pieces(ofWeight: weight.outputs, width: depth)) {
            schedule.unpack(weight, columns, stride: depth, width: weight.inputs)
            if let (lowRank, _) = product.folded {
                schedule.unpack(
                    lowRank.b, columns, column: weight.inputs, stride: depth, width: product.foldedColumns)
            }
            schedule.multiply(
                place, depth: depth, schedule.unpacked(stride: depth, isTransposed: true), into: output,
                columns: columns, accumulates: bias != nil)
        }
    }

    // MARK: Backwards

    /// Rounds the gradient of an output, and goes back to the adapter.
    private func addProjection(
        of gradient: LinearGradient, input x: Matrix, _ rows: Range<Int>, at place: ProductSchedule.Place,
        to schedule: inout ProductSchedule
    ) {
        let (dOutput, outputs) = (gradient.dOutput.rows(rows), gradient.weight.outputs)
        schedule.round(dOutput, to: place, width: outputs)
        guard let adapter = gradient.adapter else { return }
        let (dProjected, x) = (adapter.dProjected.rows(rows), x.rows(rows))
        if gradient.folded != nil {
            let b = schedule.whole(adapter.lowRank.b, isTransposed: false)
            schedule.multiply(place, depth: outputs, b, into: dProjected, accumulates: false)
            schedule.round(dProjected, to: place.after(outputs), width: gradient.foldedColumns)
        } else {
            schedule.append {
                self.multiplyBackward(dOutput, adapter.lowRank.b, into: dProjected, accumulates: false)
            }
        }
        let projected = adapter.projected.rows(rows)
        schedule.append {
            self.addOuterProduct(dProjected, x, to: adapter.aGradient)
            self.addOuterProduct(dOutput, projected, to: adapter.bGradient, alpha: adapter.scale)
        }
    }

    private func addInputGradient(
        of gradient: LinearGradient, _ rows: Range<Int>, at place: ProductSchedule.Place, into dx: Matrix,
        accumulates: Bool, to schedule: inout ProductSchedule
    ) {
        let (weight, more) = (gradient.weight, gradient.foldedColumns)
        let operand = schedule.unpacked(stride: weight.inputs, isTransposed: false)
        let pieces = productLimits.pieces(ofWeight: weight.outputs, width: weight.inputs, more: more)
        for piece in schedule.pieces(pieces) {
            schedule.unpack(weight, piece, stride: weight.inputs, width: weight.inputs)
            let isLast = piece.upperBound == weight.outputs
            if isLast, let lowRank = gradient.folded {
                schedule.unpack(
                    lowRank.a, 0..<more, row: piece.count, stride: weight.inputs, width: weight.inputs)
            }
            schedule.multiply(
                place.after(piece.lowerBound), depth: piece.count + (isLast ? more : 0), operand, into: dx,
                accumulates: accumulates || piece.lowerBound > 0)
        }
        if gradient.folded == nil, let adapter = gradient.adapter {
            let dProjected = adapter.dProjected.rows(rows)
            schedule.append { self.multiplyBackward(dProjected, adapter.lowRank.a, into: dx, accumulates: true) }
        }
    }

    // MARK: Steps

    /// Rounds rows to bf16, to a matrix that is wider.
    func roundRows(_ x: Matrix, to address: CUdeviceptr, stride: Int, width: Int) {
        launch(
            .roundRows, blocks: warpBlocks(rows: x.rows, columns: width), threads: Self.rowThreads, x.argument,
            .integer(x.rows), .integer(x.columns), .pointer(address), .integer(stride), .integer(width))
    }

    /// Unpacks rows of a weight to bf16, to a matrix that is wider.
    func unpack(_ weight: CUDAWeight, _ rows: Range<Int>, to address: CUdeviceptr, stride: Int, width: Int) {
        launch(
            KernelName("apus_unpack_\(weight.kind.name)"), blocks: pieces(rows.count * width / 8, Self.rowThreads),
            threads: Self.rowThreads, .pointer(weight.address), .integer(rows.lowerBound),
            .integer(rows.count), .integer(weight.outputs), .integer(weight.inputs), .pointer(address),
            .integer(stride), .integer(width))
    }

    private func fillRows(of y: Matrix, with row: Matrix) {
        precondition(row.count == y.columns, "shapes differ")
        launch(
            .fillRows, blocks: warpBlocks(rows: y.rows, columns: y.columns), threads: Self.rowThreads, row.argument,
            .integer(y.rows), .integer(y.columns), y.argument)
    }

    /// The library's plan for a product; nil where it has none.
    func plan(_ product: BlasProduct, of blas: BlasProducts) -> BlasPlan? {
        var plan: BlasPlan?
        attempt { () throws(TensorError) in plan = try blas.plan(product) }
        return plan
    }

    func multiply(_ plan: BlasPlan, _ addresses: BlasProducts.Addresses, of blas: BlasProducts, accumulates: Bool) {
        attempt { () throws(TensorError) in
            try blas.multiply(plan, addresses, accumulates: accumulates, on: stream)
        }
    }
}

extension LowRank {
    /// Whether it can be a part of its module's sum.
    fileprivate var isFoldable: Bool { a.cuda.kind == .bf16 && b.cuda.kind == .bf16 && rank % 4 == 0 }
}

extension LinearProduct {
    /// The adapter, where it is a part of the sum.
    fileprivate var folded: (lowRank: LowRank, projected: Matrix)? {
        adapter.flatMap { $0.lowRank.isFoldable ? $0 : nil }
    }
    /// Columns that it adds to the depth.
    fileprivate var foldedColumns: Int { output == nil ? 0 : folded.map { BlasProduct.padded($0.lowRank.rank) } ?? 0 }
}

extension LinearGradient {
    /// The adapter, where it is a part of the sum.
    fileprivate var folded: LowRank? { adapter.flatMap { $0.lowRank.isFoldable ? $0.lowRank : nil } }
    /// Columns that it adds to the depth.
    fileprivate var foldedColumns: Int { folded.map { BlasProduct.padded($0.rank) } ?? 0 }
}
