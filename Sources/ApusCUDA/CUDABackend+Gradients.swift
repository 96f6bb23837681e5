public import ApusTensor
internal import CCUDA

extension KernelName {
    static let outer128 = KernelName("apus_outer_128")
    static let outer64 = KernelName("apus_outer_64")
    static let outerParts = KernelName("apus_outer_parts")
    static let outerPartsSwapped = KernelName("apus_outer_parts_swapped")
    static let addParts = KernelName("apus_add_parts")
    static let columnParts = KernelName("apus_column_parts")
    static let gainParts = KernelName("apus_gain_parts")
    static let normInverses = KernelName("apus_norm_inverses")
    static let scatterAdd = KernelName("apus_scatter_add")
    static let scatterAddColumns = KernelName("apus_scatter_add_columns")
    static let squareParts = KernelName("apus_square_parts")
    static let sumParts = KernelName("apus_sum_parts")
    static let adamW = KernelName("apus_adamw")
}

/// How sums over the rows of a batch are cut; see gradients.cuh.
enum RowSums {
    /// Rows that are summed from zero.
    static let blockRows = 64
    /// The most that the sums of blocks may take of the scratch room: more of them are added in several rounds, which
    /// changes no bit.
    static let partsBytes = 16 << 20

    /// Ranges of whole blocks whose sums of `count` values find room together.
    static func rounds(rows: Int, count: Int) -> [Range<Int>] {
        let length = blockRows * min(65_535, max(1, partsBytes / (4 * max(1, count))))
        return stride(from: 0, to: rows, by: length).map { $0..<min($0 + length, rows) }
    }
}

extension CUDABackend {
    // MARK: Look-ups

    /// See `Backend`.
    public func scatterAdd(_ source: Matrix, _ indices: Indices, into destination: Matrix) {
        precondition(source.rows == indices.count && source.columns == destination.columns, "shapes differ")
        launch(
            .scatterAdd, blocks: source.rows, pieces(source.columns, 4 * Self.rowThreads),
            threads: Self.rowThreads, source.argument, indices.argument, .integer(source.rows),
            .integer(source.columns), destination.argument)
    }

    /// See `Backend`.
    public func scatterAddColumns(_ source: Matrix, _ indices: Indices, into destination: Matrix) {
        precondition(source.rows == indices.count && source.columns == destination.rows, "shapes differ")
        launch(
            .scatterAddColumns, blocks: source.rows, pieces(source.columns, 4 * Self.rowThreads),
            threads: Self.rowThreads, source.argument, indices.argument, .integer(source.rows),
            .integer(source.columns), destination.argument, .integer(destination.columns))
    }

    // MARK: Outer products

    /// See `Backend`.
    public func addOuterProduct(_ a: Matrix, _ b: Matrix, to c: Matrix) { addOuterProduct(a, b, to: c, alpha: 1) }

    /// c += alpha · aᵀ b, in blocks of 64 rows. Works in the scratch room.
    ///
    /// Large products have a block of threads for each tile of c. Where that would be few, the sums of the blocks of
    /// rows are computed at once and added afterwards. The bits are the same.
    func addOuterProduct(_ a: Matrix, _ b: Matrix, to c: Matrix, alpha: Float) {
        precondition(a.rows == b.rows && c.rows == a.columns && c.columns == b.columns, "shapes differ")
        let tiles = pieces(c.rows, 64) * pieces(c.columns, 64)
        if tiles >= 512 {
            addOuterProduct(.outer128, tile: 128, a, b, to: c, alpha: alpha)
        } else if tiles >= 128 || a.rows <= RowSums.blockRows {
            addOuterProduct(.outer64, tile: 64, a, b, to: c, alpha: alpha)
        } else {
            for range in RowSums.rounds(rows: a.rows, count: c.count) {
                addOuterProductInParts(a.rows(range), b.rows(range), to: c, alpha: alpha)
            }
        }
    }

    private func addOuterProduct(
        _ kernel: KernelName, tile: Int, _ a: Matrix, _ b: Matrix, to c: Matrix, alpha: Float
    ) {
        launch(
            kernel, blocks: pieces(c.columns, tile), pieces(c.rows, tile), threads: Self.rowThreads,
            a.argument, b.argument, .integer(a.rows), .integer(c.rows), .integer(c.columns), .float(alpha), c.argument)
    }

    private func addOuterProductInParts(_ a: Matrix, _ b: Matrix, to c: Matrix, alpha: Float) {
        let blocks = pieces(a.rows, RowSums.blockRows)
        let parts = scratch(4 * blocks * c.count)
        launch(
            c.rows <= c.columns ? .outerParts : .outerPartsSwapped, blocks: pieces(c.columns, 64),
            pieces(c.rows, 64), blocks, threads: Self.rowThreads, a.argument, b.argument, .integer(a.rows),
            .integer(c.rows), .integer(c.columns), .pointer(parts))
        addParts(parts, blocks, to: c, alpha: alpha)
    }

    /// sums += alpha · parts, one part after another.
    private func addParts(_ parts: CUdeviceptr, _ count: Int, to sums: Matrix, alpha: Float = 1) {
        launch(
            .addParts, blocks: pieces(sums.count, Self.rowThreads), threads: Self.rowThreads, .pointer(parts),
            .integer(count), .long(sums.count), .float(alpha), sums.argument)
    }

    // MARK: Columns

    /// See `Backend`.
    public func addColumnSums(_ x: Matrix, to sums: Matrix) {
        precondition(sums.rows == 1 && sums.columns == x.columns, "shapes differ")
        for range in RowSums.rounds(rows: x.rows, count: x.columns) {
            let rows = x.rows(range)
            let blocks = pieces(rows.rows, RowSums.blockRows)
            let parts = scratch(4 * blocks * x.columns)
            launch(
                .columnParts, blocks: warpBlocks(rows: blocks, columns: x.columns, width: 32),
                threads: Self.rowThreads, rows.argument, .integer(rows.rows), .integer(rows.columns), .pointer(parts))
            addParts(parts, blocks, to: sums)
        }
    }

    /// See `Backend`.
    public func rmsNormGainBackward(_ x: Matrix, epsilon: Float, dy: Matrix, addingTo dGain: Matrix) {
        precondition(
            dGain.rows == 1 && dGain.columns == x.columns && dy.rows == x.rows && dy.columns == x.columns,
            "shapes differ")
        for range in RowSums.rounds(rows: x.rows, count: x.columns) {
            addGainGradient(x.rows(range), epsilon: epsilon, dy: dy.rows(range), to: dGain)
        }
    }

    private func addGainGradient(_ x: Matrix, epsilon: Float, dy: Matrix, to dGain: Matrix) {
        let blocks = pieces(x.rows, RowSums.blockRows)
        let parts = scratch(4 * (blocks * x.columns + x.rows))
        let inverses = parts + CUdeviceptr(4 * blocks * x.columns)
        let grid = NormGrid(rows: x.rows, width: x.columns)
        launch(
            .normInverses, blocks: grid.blocks, threads: Self.rowThreads, x.argument, .float(epsilon),
            .pointer(inverses), .integer(x.rows), .integer(x.columns), .integer(grid.lanes))
        launch(
            .gainParts, blocks: warpBlocks(rows: blocks, columns: x.columns, width: 32), threads: Self.rowThreads,
            x.argument, dy.argument, .pointer(inverses), .integer(x.rows), .integer(x.columns), .pointer(parts))
        addParts(parts, blocks, to: dGain)
    }

    // MARK: Optimizer

    /// See `Backend`. The parts of 4096 values each are summed in one block.
    public func sumOfSquares(_ x: Matrix) throws -> Double {
        let count = pieces(x.count, 4096)
        let sum = scratch(8 * (count + 1))
        let parts = sum + 8
        launch(
            .squareParts, blocks: count, threads: Self.rowThreads, x.argument, .long(x.count), .pointer(parts))
        launch(.sumParts, blocks: 1, threads: Self.rowThreads, .pointer(parts), .integer(count), .pointer(sum))
        return try downloaded(sum, 1, of: 0.0)[0]
    }

    /// See `Backend`. The coefficients are formed in double precision and rounded once.
    public func adamW(
        _ step: AdamWStep, parameters: Matrix, firstMoment: Matrix, secondMoment: Matrix, gradients: Matrix
    ) {
        let count = parameters.count
        precondition([firstMoment, secondMoment, gradients].allSatisfy { $0.count == count }, "shapes differ")
        let corrections = step.biasCorrections
        launch(
            .adamW, blocks: flatBlocks(count), threads: Self.rowThreads, parameters.argument, firstMoment.argument,
            secondMoment.argument, gradients.argument, .long(count),
            .float(Float(1 - step.learningRate * step.weightDecay)), .float(Float(1 - step.beta1)),
            .float(Float(step.beta2)), .float(Float(1 - step.beta2)),
            .float(Float(step.learningRate / corrections.first)),
            .float(Float(corrections.second.squareRoot())), .float(Float(step.epsilon)))
    }
}
