/// A part of an Arrow stream: a header, and behind it a body of buffers (arrow/format/Message.fbs).
struct ArrowMessage {
    /// What a message brings.
    enum Kind: UInt8 {
        case schema = 1
        case dictionary, batch
    }

    /// Where the header is in the file.
    let header: Range<Int>
    let body: Range<Int>

    /// The message at a place of a stream; nil at its end.
    ///
    /// Since 0.15 a message starts with four bytes of ones, before only with the length of its header.
    init?(_ bytes: UnsafeRawBufferPointer, at start: Int) throws(TableFailure) {
        var offset = start
        // A stream may end without a word, but not inside one.
        guard offset < bytes.count else { return nil }
        var length = try Self.length(bytes, at: offset)
        offset += 4
        if length == 0xFFFF_FFFF {
            length = try Self.length(bytes, at: offset)
            offset += 4
        }
        guard length > 0 else { return nil }
        guard length <= bytes.count - offset else {
            throw .damaged(wanted: "a header of \(length) bytes", found: "\(bytes.count - offset) before the end")
        }
        header = offset..<offset + length
        let size = try FlatTable(root: bytes.part(header)).integer(3, default: Int64(0))
        guard size >= 0, size <= bytes.count - header.upperBound else {
            throw .damaged(
                wanted: "a record batch of \(size) bytes", found: "\(bytes.count - header.upperBound) before the end")
        }
        body = header.upperBound..<header.upperBound + Int(size)
    }

    /// The kind and the table of the message.
    func content(_ bytes: UnsafeRawBufferPointer) throws(TableFailure) -> (kind: Kind, table: FlatTable) {
        let message = try FlatTable(root: bytes.part(header))
        let version = try message.integer(0, default: Int16(0))
        guard version == 3 || version == 4 else {
            throw .unsupported(
                "found version \(Int(version) + 1) of Arrow's format", "write the table with Arrow 1.0 or newer")
        }
        let code = try message.integer(1, default: UInt8(0))
        guard let kind = Kind(rawValue: code), let table = try message.table(2) else {
            throw .unsupported("found a message of the kind \(code)", "write a table of record batches")
        }
        return (kind, table)
    }

    private static func length(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(TableFailure) -> Int {
        guard offset <= bytes.count - 4 else {
            throw .damaged(wanted: "the length of a header", found: "\(bytes.count - offset) bytes before the end")
        }
        return Int(bytes.littleEndian(at: offset, as: UInt32.self))
    }
}

/// Where the messages of a table are.
struct ArrowMessages {
    private(set) var schema: ArrowSchema
    /// Dictionaries and batches in the order in which they are read.
    private(set) var messages: [ArrowMessage] = []
    private(set) var rowCount = 0

    private static let magic: [UInt8] = Array("ARROW1".utf8)

    init(_ bytes: UnsafeRawBufferPointer) throws(TableFailure) {
        if bytes.starts(with: "FEA1".utf8) {
            throw .unsupported("found a Feather file of version 1", "write it again as version 2, or as Parquet")
        }
        if bytes.starts(with: Self.magic) { try self.init(file: bytes) } else { try self.init(stream: bytes) }
    }

    /// A stream (arrow.apache.org/docs/format/Columnar.html, "IPC Streaming Format").
    private init(stream bytes: UnsafeRawBufferPointer) throws(TableFailure) {
        guard let first = try ArrowMessage(bytes, at: 0) else {
            throw .damaged(wanted: "an Arrow stream", found: "no message in \(bytes.count) bytes")
        }
        guard case (.schema, let table) = try first.content(bytes) else {
            throw .damaged(wanted: "a schema at the beginning of an Arrow stream", found: "another message")
        }
        schema = try ArrowSchema(table)
        var offset = first.body.upperBound
        while let message = try ArrowMessage(bytes, at: offset) {
            try append(message, bytes)
            offset = message.body.upperBound
        }
    }

    /// A file, whose end says where its messages are ("IPC File Format"): dictionaries may stand behind what uses them.
    private init(file bytes: UnsafeRawBufferPointer) throws(TableFailure) {
        let tail = 4 + Self.magic.count
        guard bytes.count >= 8 + tail, bytes.suffix(Self.magic.count).elementsEqual(Self.magic) else {
            throw .damaged(wanted: "an Arrow file, which ends with ARROW1", found: "other bytes at its end")
        }
        let end = bytes.count - tail
        let length = Int(bytes.littleEndian(at: end, as: UInt32.self))
        guard length <= end - 8 else { throw .damaged(wanted: "a footer inside the file", found: "one of \(length)") }
        let footer = try FlatTable(root: bytes.part(end - length..<end))
        guard let table = try footer.table(1) else { throw .damaged(wanted: "a schema in the footer", found: "none") }
        schema = try ArrowSchema(table)
        for field in 2...3 {
            guard let (start, count) = try footer.vector(field, elementSize: 24) else { continue }
            for index in 0..<count {
                let offset = footer.bytes.littleEndian(at: start + 24 * index, as: Int64.self)
                guard offset >= 0, offset < end - length,
                    let message = try ArrowMessage(bytes.part(0..<end - length), at: Int(offset))
                else { throw .damaged(wanted: "a message at byte \(offset)", found: "none") }
                try append(message, bytes)
            }
        }
    }

    private mutating func append(_ message: ArrowMessage, _ bytes: UnsafeRawBufferPointer) throws(TableFailure) {
        let (kind, table) = try message.content(bytes)
        switch kind {
        case .schema: throw .damaged(wanted: "one schema", found: "another after it")
        case .dictionary: break
        case .batch:
            let count = try table.integer(0, default: Int64(0))
            let (sum, overflows) = rowCount.addingReportingOverflow(Int(count))
            guard count >= 0, !overflows else { throw .damaged(wanted: "a count of rows", found: "\(count)") }
            rowCount = sum
        }
        messages.append(message)
    }
}
