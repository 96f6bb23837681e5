/// The columns of a record batch, and where their bytes are.
struct ArrowBatch {
    /// The rows, or the values of a dictionary.
    let count: Int
    let columns: [ArrowColumn]
    /// The buffers decompressed; nil where they are those of the file.
    private let memory: ByteBuffer?

    /// Reads a `RecordBatch`.
    ///
    /// - Parameters:
    ///   - body: where its buffers are in the file.
    ///   - memory: takes them where they are compressed.
    init(
        _ table: FlatTable, _ fields: [ArrowField], body: Range<Int>, of file: UnsafeRawBufferPointer,
        memory: ByteBuffer, _ limits: TableLimits
    ) throws(TableFailure) {
        count = Int(try table.integer(0, default: Int64(0)))
        var buffers = try Self.buffers(table, body)
        if let compression = try table.table(3) {
            buffers = try Self.decompress(buffers, compression, file, into: memory, limits)
            self.memory = memory
        } else {
            self.memory = nil
        }
        var parts = try ArrowBatchParts(table, buffers: buffers)
        var columns: [ArrowColumn] = []
        for field in fields { columns.append(try ArrowColumn(field, &parts)) }
        for column in columns where column.count != count {
            throw .damaged(wanted: "\(count) values of every column", found: "\(column.count)")
        }
        self.columns = columns
    }

    /// Lends the bytes in which the buffers' ranges are.
    func withBytes<Result>(
        _ source: TableBytes, _ body: (UnsafeRawBufferPointer) throws(TableFailure) -> Result
    ) throws(TableFailure) -> Result {
        if let memory { try memory.withBytes(body) } else { try source.withBytes(body) }
    }

    private static func buffers(_ table: FlatTable, _ body: Range<Int>) throws(TableFailure) -> [Range<Int>] {
        guard let (start, count) = try table.vector(2, elementSize: 16) else { return [] }
        var buffers: [Range<Int>] = []
        buffers.reserveCapacity(count)
        for index in 0..<count {
            let offset = table.bytes.littleEndian(at: start + 16 * index, as: Int64.self)
            let length = table.bytes.littleEndian(at: start + 16 * index + 8, as: Int64.self)
            guard offset >= 0, length >= 0, offset <= body.count, length <= body.count - Int(offset) else {
                throw .damaged(
                    wanted: "a buffer inside the \(body.count) bytes of a record batch",
                    found: "\(length) bytes from \(offset)")
            }
            let first = body.lowerBound + Int(offset)
            buffers.append(first..<first + Int(length))
        }
        return buffers
    }

    /// Decompresses all buffers, one behind another. Before each stands its size, or -1 where it is as it is.
    private static func decompress(
        _ buffers: [Range<Int>], _ compression: FlatTable, _ file: UnsafeRawBufferPointer, into memory: ByteBuffer,
        _ limits: TableLimits
    ) throws(TableFailure) -> [Range<Int>] {
        let code = try compression.integer(0, default: UInt8(0))
        guard code <= 1, try compression.integer(1, default: UInt8(0)) == 0 else {
            throw .unsupported("found buffers compressed by codec \(code)", "write the table with zstd or LZ4")
        }
        let codec = code == 0 ? Codec.lz4Frame : .zstd
        var targets: [Range<Int>] = []
        var total = 0
        var compressed = 0
        for buffer in buffers {
            compressed += buffer.count
            // Buffers that share bytes would decompress them again and again.
            guard compressed <= file.count else {
                throw .damaged(wanted: "buffers of their own bytes", found: "some that overlap")
            }
            let size = try size(of: buffer, codec, file, limits)
            targets.append(total..<total + size)
            total += size
            guard total <= limits.batchSize else {
                throw .unsupported("found a record batch of more than \(limits.batchSize) bytes", "write smaller ones")
            }
        }
        memory.reserve(total)
        try memory.withMutableBytes { (bytes) throws(TableFailure) in
            for (buffer, target) in zip(buffers, targets) where !buffer.isEmpty {
                let isPlain = file.littleEndian(at: buffer.lowerBound, as: Int64.self) == -1
                try (isPlain ? .uncompressed : codec).decompress(
                    file.part(buffer.lowerBound + 8..<buffer.upperBound),
                    into: UnsafeMutableRawBufferPointer(rebasing: bytes[target]))
            }
        }
        return targets
    }

    private static func size(
        of buffer: Range<Int>, _ codec: Codec, _ file: UnsafeRawBufferPointer, _ limits: TableLimits
    ) throws(TableFailure) -> Int {
        guard !buffer.isEmpty else { return 0 }
        guard buffer.count >= 8 else {
            throw .damaged(wanted: "the size of a compressed buffer", found: "\(buffer.count) bytes")
        }
        let size = file.littleEndian(at: buffer.lowerBound, as: Int64.self)
        guard size != -1 else { return buffer.count - 8 }
        guard size >= 0 else { throw .damaged(wanted: "the size of a buffer", found: "\(size)") }
        try codec.check(Int(size), from: buffer.count - 8, limits)
        return Int(size)
    }
}
