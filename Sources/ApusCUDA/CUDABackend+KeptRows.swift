public import ApusTensor
internal import CCUDA

extension KernelName {
    static let keepExact = KernelName("apus_keep_exact")
    static let keepShort = KernelName("apus_keep_short")
    static let recallExact = KernelName("apus_recall_exact")
    static let recallShort = KernelName("apus_recall_short")
    static let fetchRows = KernelName("apus_fetch_rows")
}

/// Rows that a backward pass starts from; see kept.cuh.
extension CUDABackend {
    /// Blocks that copy rows from the host's memory: they keep the bus busy, and leave the multiprocessors to others.
    private static let fetchBlocks = 32

    /// See `Backend`.
    public func keep(_ x: Matrix, _ pass: Pass, firstRow: Int, in kept: KeptRows, stream: Int) {
        let (slots, own) = (Self.slots(of: x, pass, firstRow: firstRow, kept, stream: stream), kept.cuda)
        if own.isOnHost, let rowFetch {
            attempt { () throws(TensorError) in try rowFetch.forget(own) }
        }
        launch(
            kept.shape.isExact ? .keepExact : .keepShort, blocks: keptBlocks(x, kept), threads: Self.rowThreads,
            x.argument, .integer(x.rows), .integer(x.columns), slots.argument, .integer(kept.shape.streams),
            .integer(stream), .pointer(own.base), .integer(CUDAKeptRows.rowBytes(kept.shape)))
    }

    /// See `Backend`. From the host's memory rows come through a buffer on the card.
    public func recall(_ kept: KeptRows, stream: Int, _ pass: Pass, firstRow: Int, into x: Matrix) {
        let (slots, own) = (Self.slots(of: x, pass, firstRow: firstRow, kept, stream: stream), kept.cuda)
        guard let rowFetch, own.isOnHost else {
            return recall(own, from: own.base, slots, stream: stream, into: x)
        }
        let rows = RowFetch.Rows(
            kept: own, stream: stream, pass: pass.cuda, range: firstRow..<firstRow + x.rows)
        attempt { () throws(TensorError) in
            try rowFetch.read(rows) { rows, buffer in
                fetch(rows, slots, into: buffer, in: rowFetch.stream)
            } read: { buffer in
                recall(own, from: buffer, nil, stream: 0, into: x)
            }
        }
    }

    /// - Parameter slots: nil for rows that lie one after another, of one stream.
    private func recall(
        _ kept: CUDAKeptRows, from pages: CUdeviceptr, _ slots: Indices?, stream: Int, into x: Matrix
    ) {
        launch(
            kept.shape.isExact ? .recallExact : .recallShort, blocks: keptBlocks(x, kept), threads: Self.rowThreads,
            .pointer(pages), .integer(CUDAKeptRows.rowBytes(kept.shape)), .integer(kept.shape.streams),
            .integer(stream), .pointer(slots?.address), .integer(x.rows), .integer(x.columns), x.argument)
    }

    private func fetch(_ rows: RowFetch.Rows, _ slots: Indices, into buffer: CUdeviceptr, in stream: CUDAStream) {
        let blocks = min(Self.fetchBlocks, pieces(rows.bytes / 16, 4 * Self.rowThreads))
        launch(
            .fetchRows, blocks: blocks, threads: Self.rowThreads, in: stream, .pointer(rows.kept.base),
            .integer(CUDAKeptRows.rowBytes(rows.kept.shape)), .integer(rows.kept.shape.streams),
            .integer(rows.stream), slots.argument, .integer(rows.range.count), .pointer(buffer))
    }

    /// The slots of some rows of a pass.
    private static func slots(
        of x: Matrix, _ pass: Pass, firstRow: Int, _ kept: KeptRows, stream: Int
    ) -> Indices {
        precondition(firstRow + x.rows <= pass.rows && x.columns == kept.shape.columns, "shapes differ")
        precondition(stream < kept.shape.streams, "no such stream")
        return pass.cuda.slots[firstRow..<firstRow + x.rows]
    }

    /// A warp has 128 columns of a row, or a block of 64 with a scale.
    private func keptBlocks(_ x: Matrix, _ kept: KeptRows) -> Int {
        warpBlocks(rows: x.rows, columns: x.columns, width: kept.shape.isExact ? 128 : 64)
    }
}
