public import ApusTensor
internal import CCUDA

extension KernelName {
    static let add = KernelName("apus_add")
    static let scale = KernelName("apus_scale")
    static let rmsNorm = KernelName("apus_rms_norm")
    static let addRMSNorm = KernelName("apus_add_rms_norm")
    static let rmsNormBackward = KernelName("apus_rms_norm_backward")
    static let siluGate = KernelName("apus_silu_gate")
    static let siluGateBackward = KernelName("apus_silu_gate_backward")
    static let geluGate = KernelName("apus_gelu_gate")
    static let geluGateBackward = KernelName("apus_gelu_gate_backward")
    static let rope = KernelName("apus_rope")
    static let gather = KernelName("apus_gather")
    static let gatherColumns = KernelName("apus_gather_columns")
    static let copyColumns = KernelName("apus_copy_columns")
}

/// The threads that have one row of a norm: a warp, or for wide rows a block. The width alone decides, for the order of
/// a sum depends on it.
struct NormGrid {
    let lanes: Int
    let blocks: Int

    init(rows: Int, width: Int) {
        (lanes, blocks) = width <= 512 ? (32, (rows + 7) / 8) : (CUDABackend.rowThreads, rows)
    }
}

/// How the kernels of rows divide their work into blocks; see rows.cuh.
extension CUDABackend {
    static let rowThreads = 256

    /// A thread has four values of a buffer.
    func flatBlocks(_ count: Int) -> Int { pieces(count, 4 * Self.rowThreads) }

    /// A warp has `width` columns of a row, or of a block of rows: mostly four a lane.
    func warpBlocks(rows: Int, columns: Int, width: Int = 128) -> Int {
        pieces(rows * pieces(columns, width), Self.rowThreads / 32)
    }
}

extension CUDABackend {
    // MARK: Norms

    /// See `Backend`.
    public func rmsNorm(_ x: Matrix, gain: Matrix, epsilon: Float, into y: Matrix) {
        precondition(y.rows == x.rows && y.columns == x.columns && gain.count == x.columns, "shapes differ")
        let grid = NormGrid(rows: x.rows, width: x.columns)
        launch(
            .rmsNorm, blocks: grid.blocks, threads: Self.rowThreads, x.argument, gain.argument, .float(epsilon),
            y.argument, .integer(x.rows), .integer(x.columns), .integer(grid.lanes))
    }

    /// See `Backend`.
    public func addRMSNorm(_ x: Matrix, adding d: Matrix, gain: Matrix, epsilon: Float, into y: Matrix) {
        precondition(
            [d, y].allSatisfy { $0.rows == x.rows && $0.columns == x.columns } && gain.count == x.columns,
            "shapes differ")
        let grid = NormGrid(rows: x.rows, width: x.columns)
        launch(
            .addRMSNorm, blocks: grid.blocks, threads: Self.rowThreads, x.argument, d.argument, gain.argument,
            .float(epsilon), y.argument, .integer(x.rows), .integer(x.columns), .integer(grid.lanes))
    }

    /// See `Backend`.
    public func rmsNormBackward(_ x: Matrix, gain: Matrix, epsilon: Float, dy: Matrix, addingTo dx: Matrix) {
        precondition(
            [dy, dx].allSatisfy { $0.rows == x.rows && $0.columns == x.columns } && gain.count == x.columns,
            "shapes differ")
        let grid = NormGrid(rows: x.rows, width: x.columns)
        launch(
            .rmsNormBackward, blocks: grid.blocks, threads: Self.rowThreads, x.argument, gain.argument,
            .float(epsilon), dy.argument, dx.argument, .integer(x.rows), .integer(x.columns), .integer(grid.lanes))
    }

    // MARK: Elements

    /// See `Backend`.
    public func fill(_ x: Matrix, with value: Float) {
        guard x.count > 0 else { return }
        attempt { () throws(TensorError) in
            try driver.check(
                driver.functions.cuMemsetD32Async(x.address, value.bitPattern, x.count, stream), "filling memory")
        }
    }

    /// See `Backend`.
    public func copy(_ source: Matrix, into destination: Matrix) {
        precondition(source.rows == destination.rows && source.columns == destination.columns, "shapes differ")
        copy(source.address, to: destination.address, bytes: 4 * source.count)
    }

    /// See `Backend`.
    public func add(_ x: Matrix, _ d: Matrix) {
        precondition(d.rows == x.rows && d.columns == x.columns, "shapes differ")
        launch(
            .add, blocks: flatBlocks(x.count), threads: Self.rowThreads, x.argument, d.argument, .long(x.count))
    }

    /// See `Backend`.
    public func scale(_ x: Matrix, by factor: Float) {
        launch(
            .scale, blocks: flatBlocks(x.count), threads: Self.rowThreads, x.argument, .long(x.count), .float(factor))
    }

    /// See `Backend`.
    public func gate(_ activation: GateActivation, _ gate: Matrix, _ up: Matrix, into h: Matrix) {
        precondition([up, h].allSatisfy { $0.rows == gate.rows && $0.columns == gate.columns }, "shapes differ")
        let kernel: KernelName = activation == .silu ? .siluGate : .geluGate
        launch(
            kernel, blocks: flatBlocks(h.count), threads: Self.rowThreads, gate.argument, up.argument, h.argument,
            .long(h.count))
    }

    /// See `Backend`.
    public func gateBackward(_ activation: GateActivation, gate: Matrix, up: Matrix, dh: Matrix) {
        precondition([up, dh].allSatisfy { $0.rows == gate.rows && $0.columns == gate.columns }, "shapes differ")
        let kernel: KernelName = activation == .silu ? .siluGateBackward : .geluGateBackward
        launch(
            kernel, blocks: flatBlocks(dh.count), threads: Self.rowThreads, gate.argument, up.argument, dh.argument,
            .long(dh.count))
    }

    /// See `Backend`.
    public func rope(_ x: Matrix, headSize: Int, table: RotaryTable, _ pass: Pass, inverse: Bool) {
        precondition(x.rows == pass.rows && pass.maxContext <= table.positions, "shapes differ")
        precondition(x.columns % headSize == 0 && table.dimensions <= headSize, "the table goes beyond a head")
        let half = table.dimensions / 2
        let pairs = x.columns / headSize * half
        launch(
            .rope, blocks: x.rows, pieces(pairs, Self.rowThreads), threads: Self.rowThreads, x.argument,
            .integer(x.columns), .integer(headSize), .integer(half), table.cuda.cosines.argument,
            table.cuda.sines.argument, pass.cuda.positions.argument, .float(inverse ? -1 : 1))
    }

    // MARK: Rows and columns that are looked up

    /// See `Backend`.
    public func gather(_ source: Matrix, _ indices: Indices, into destination: Matrix) {
        precondition(destination.rows == indices.count && destination.columns == source.columns, "shapes differ")
        launch(
            .gather, blocks: warpBlocks(rows: destination.rows, columns: destination.columns),
            threads: Self.rowThreads, source.argument, indices.argument, .integer(destination.rows),
            .integer(destination.columns), destination.argument)
    }

    /// See `Backend`.
    public func gatherColumns(_ source: Matrix, _ indices: Indices, into destination: Matrix) {
        precondition(destination.rows == indices.count && destination.columns == source.rows, "shapes differ")
        launch(
            .gatherColumns, blocks: warpBlocks(rows: destination.rows, columns: destination.columns),
            threads: Self.rowThreads, source.argument, .integer(source.columns), indices.argument,
            .integer(destination.rows), .integer(destination.columns), destination.argument)
    }

    /// See `Backend`.
    public func split(_ joined: Matrix, into parts: [Matrix]) {
        for (part, first) in Self.stretches(of: joined, parts) {
            copyColumns(joined, from: first, into: part, at: 0, count: part.columns)
        }
    }

    /// See `Backend`.
    public func join(_ parts: [Matrix], into joined: Matrix) {
        for (part, first) in Self.stretches(of: joined, parts) {
            copyColumns(part, from: 0, into: joined, at: first, count: part.columns)
        }
    }

    /// Narrow matrices, each with the first column of a wide one that it stands for.
    private static func stretches(of joined: Matrix, _ parts: [Matrix]) -> [(part: Matrix, first: Int)] {
        precondition(
            parts.reduce(0) { $0 + $1.columns } == joined.columns && parts.allSatisfy { $0.rows == joined.rows },
            "shapes differ")
        var first = 0
        return parts.map { part in
            defer { first += part.columns }
            return (part, first)
        }
    }

    private func copyColumns(
        _ source: Matrix, from first: Int, into destination: Matrix, at place: Int, count: Int
    ) {
        launch(
            .copyColumns, blocks: warpBlocks(rows: source.rows, columns: count), threads: Self.rowThreads,
            source.argument, .integer(source.columns), .integer(first), destination.argument,
            .integer(destination.columns), .integer(place), .integer(source.rows), .integer(count))
    }
}
