/// The buffers of a column in one record batch.
struct ArrowColumn {
    let field: ArrowField
    let count: Int
    /// A bit for each value that is no null; nil where none is.
    private(set) var validity: Range<Int>?
    /// Where the buffers are: offsets, views or places first, then bytes.
    private(set) var buffers: [Range<Int>] = []
    private(set) var children: [ArrowColumn] = []

    /// Takes the column's share of the batch's nodes and buffers, and that of all below it.
    init(_ field: ArrowField, _ parts: inout ArrowBatchParts) throws(TableFailure) {
        self.field = field
        let node = try parts.nextNode()
        count = node.count
        if case .null = field.layout, field.dictionary == nil { return }
        let bits = try parts.nextBuffer()
        if node.nullCount != 0 && !bits.isEmpty {
            try Self.check(bits, count, bits: 1)
            validity = bits
        }
        if let dictionary = field.dictionary {
            try take(&parts, count, bits: 8 * dictionary.width)
            return
        }
        switch field.layout {
        case .null: break
        case .bits: try take(&parts, count, bits: 1)
        case .words(let width), .fixedBytes(let width): try take(&parts, count, bits: 8 * width)
        case .bytes(let width):
            try takeOffsets(&parts, width)
            buffers.append(try parts.nextBuffer())
        case .views:
            try take(&parts, count, bits: 128)
            for _ in 0..<(try parts.nextVariadicCount()) { buffers.append(try parts.nextBuffer()) }
        case .list(let width): try takeOffsets(&parts, width)
        case .fixedList, .object: break
        }
        for child in field.children { children.append(try ArrowColumn(child, &parts)) }
        try checkChildren()
    }

    private func checkChildren() throws(TableFailure) {
        switch field.layout {
        case .fixedList(let size):
            let (product, overflows) = count.multipliedReportingOverflow(by: size)
            guard !overflows, children[0].count >= product else {
                throw .damaged(wanted: "\(count) lists of \(size) values", found: "\(children[0].count) values")
            }
        case .object:
            for child in children where child.count < count {
                throw .damaged(wanted: "\(count) values of every field", found: "\(child.count)")
            }
        default: break
        }
    }

    private mutating func takeOffsets(_ parts: inout ArrowBatchParts, _ width: Int) throws(TableFailure) {
        // Without values there may be no offset either.
        try take(&parts, count == 0 ? 0 : count + 1, bits: 8 * width)
    }

    private mutating func take(_ parts: inout ArrowBatchParts, _ count: Int, bits: Int) throws(TableFailure) {
        let buffer = try parts.nextBuffer()
        try Self.check(buffer, count, bits: bits)
        buffers.append(buffer)
    }

    private static func check(_ buffer: Range<Int>, _ count: Int, bits: Int) throws(TableFailure) {
        guard bits == 0 || count <= buffer.count.multipliedReportingOverflow(by: 8).partialValue / bits else {
            throw .damaged(wanted: "\(count) values of \(bits) bits", found: "a buffer of \(buffer.count) bytes")
        }
    }
}

/// The nodes and buffers of a record batch, which columns take in their order (arrow/format/Message.fbs, `RecordBatch`).
struct ArrowBatchParts {
    private let table: FlatTable
    private let buffers: [Range<Int>]
    private let nodes: (start: Int, count: Int)
    private let variadic: (start: Int, count: Int)
    private var node = 0
    private var buffer = 0
    private var variadicIndex = 0

    init(_ table: FlatTable, buffers: [Range<Int>]) throws(TableFailure) {
        self.table = table
        self.buffers = buffers
        nodes = try table.vector(1, elementSize: 16) ?? (0, 0)
        variadic = try table.vector(4, elementSize: 8) ?? (0, 0)
    }

    mutating func nextNode() throws(TableFailure) -> (count: Int, nullCount: Int64) {
        guard node < nodes.count else { throw tooFew("nodes", nodes.count) }
        let start = nodes.start + 16 * node
        node += 1
        let count = table.bytes.littleEndian(at: start, as: Int64.self)
        // Lengths in the format have 64 bits, but no machine has so many values.
        guard (0...1 << 48).contains(count) else { throw .damaged(wanted: "a count of values", found: "\(count)") }
        return (Int(count), table.bytes.littleEndian(at: start + 8, as: Int64.self))
    }

    mutating func nextBuffer() throws(TableFailure) -> Range<Int> {
        guard buffer < buffers.count else { throw tooFew("buffers", buffers.count) }
        buffer += 1
        return buffers[buffer - 1]
    }

    mutating func nextVariadicCount() throws(TableFailure) -> Int {
        guard variadicIndex < variadic.count else { throw tooFew("counts of buffers", variadic.count) }
        let count = table.bytes.littleEndian(at: variadic.start + 8 * variadicIndex, as: Int64.self)
        variadicIndex += 1
        guard (0...Int64(buffers.count)).contains(count) else { throw tooFew("buffers", buffers.count) }
        return Int(count)
    }

    private func tooFew(_ what: String, _ count: Int) -> TableFailure {
        .damaged(wanted: "\(what) of all columns in a record batch", found: "\(count)")
    }
}
