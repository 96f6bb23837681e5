/// A cursor over Thrift's compact protocol (thrift/doc/specs/thrift-compact-protocol.md), in which Parquet writes its headers.
///
/// Every length is compared with what is left, and structures nest no deeper than 32.
struct ThriftReader {
    /// The type of a field or an element, as a nibble.
    enum Kind: UInt8 {
        case isTrue = 1
        case isFalse, byte, int16, int32, int64, double, binary, list, set, map, structure
    }

    /// A field, whose value has to be read or skipped next.
    struct Field {
        let id: Int
        let kind: Kind
    }

    /// Where a structure has got to: fields count from the one before.
    struct Fields {
        fileprivate var id = 0
    }

    private static let depthLimit = 32
    let bytes: UnsafeRawBufferPointer
    private(set) var offset: Int
    private var depth = 0

    init(_ bytes: UnsafeRawBufferPointer, at offset: Int = 0) {
        self.bytes = bytes
        self.offset = offset
    }

    /// Starts a structure, of which ``next(_:)`` then gives the fields.
    mutating func structure() throws(TableFailure) -> Fields {
        try enter()
        return Fields()
    }

    /// The next field; nil at the end of the structure.
    mutating func next(_ fields: inout Fields) throws(TableFailure) -> Field? {
        let head = try byte()
        guard head != 0 else {
            depth -= 1
            return nil
        }
        let kind = try kind(head & 0x0F)
        if head >> 4 == 0 { fields.id = try zigzag() } else { fields.id &+= Int(head >> 4) }
        return Field(id: fields.id, kind: kind)
    }

    /// A whole number; a field may have any width, of which the value has to fit `Number`.
    mutating func integer<Number: FixedWidthInteger>(
        _ field: Field, as _: Number.Type = Number.self
    ) throws(TableFailure) -> Number {
        let value: Int
        switch field.kind {
        case .byte: value = Int(Int8(bitPattern: try byte()))
        case .int16, .int32, .int64: value = try zigzag()
        default: throw unexpected(field, "a number")
        }
        guard let number = Number(exactly: value) else {
            throw .damaged(
                wanted: "a number of \(Number.bitWidth) bits in field \(field.id) of a header", found: "\(value)")
        }
        return number
    }

    /// A count or a size, which is not negative.
    mutating func count(_ field: Field) throws(TableFailure) -> Int {
        let value: Int = try integer(field)
        guard value >= 0 else { throw .damaged(wanted: "a count in field \(field.id) of a header", found: "\(value)") }
        return value
    }

    func bool(_ field: Field) throws(TableFailure) -> Bool {
        switch field.kind {
        case .isTrue: true
        case .isFalse: false
        default: throw unexpected(field, "a boolean")
        }
    }

    /// Text, with whatever is no UTF-8 replaced.
    mutating func string(_ field: Field) throws(TableFailure) -> String {
        guard field.kind == .binary else { throw unexpected(field, "text") }
        let length = try length()
        let start = offset
        offset += length
        return String(decoding: bytes.part(start..<offset), as: UTF8.self)
    }

    /// The head of a list, of which each element takes a byte or more.
    mutating func list(_ field: Field) throws(TableFailure) -> (count: Int, kind: Kind) {
        guard field.kind == .list || field.kind == .set else { throw unexpected(field, "a list") }
        let head = try byte()
        var count = Int(head >> 4)
        if count == 15 { count = try length() }
        guard count <= bytes.count - offset else { throw tooLong(count) }
        return (count, count == 0 ? .byte : try kind(head & 0x0F))
    }

    /// The head of a list of structures.
    mutating func structures(_ field: Field) throws(TableFailure) -> Int {
        let (count, kind) = try list(field)
        guard count == 0 || kind == .structure else { throw unexpected(field, "a list of structures") }
        return count
    }

    /// Passes over a value that nobody asks for.
    mutating func skip(_ field: Field) throws(TableFailure) { try skip(field.kind, isElement: false) }

    private mutating func skip(_ kind: Kind, isElement: Bool) throws(TableFailure) {
        switch kind {
        // In a structure the kind is the value; in a list each takes a byte.
        case .isTrue, .isFalse: if isElement { _ = try byte() }
        case .byte: _ = try byte()
        case .int16, .int32, .int64: _ = try variable()
        case .double: try advance(8)
        case .binary: try advance(try length())
        case .structure:
            var fields = try structure()
            while let field = try next(&fields) { try skip(field) }
        case .list, .set: try skipElements(of: kind)
        case .map: try skipMap()
        }
    }

    private mutating func skipElements(of kind: Kind) throws(TableFailure) {
        let (count, kind) = try list(Field(id: 0, kind: kind))
        try enter()
        for _ in 0..<count { try skip(kind, isElement: true) }
        depth -= 1
    }

    private mutating func skipMap() throws(TableFailure) {
        let count = try length()
        guard count > 0 else { return }
        let kinds = try byte()
        let (key, value) = (try kind(kinds >> 4), try kind(kinds & 0x0F))
        try enter()
        for _ in 0..<count {
            try skip(key, isElement: true)
            try skip(value, isElement: true)
        }
        depth -= 1
    }

    private mutating func enter() throws(TableFailure) {
        depth += 1
        guard depth <= Self.depthLimit else {
            throw .damaged(wanted: "a header that nests \(Self.depthLimit) deep at most", found: "a deeper one")
        }
    }

    private mutating func byte() throws(TableFailure) -> UInt8 {
        try advance(1)
        return bytes[offset - 1]
    }

    private mutating func advance(_ count: Int) throws(TableFailure) {
        guard count <= bytes.count - offset else { throw tooLong(count) }
        offset += count
    }

    private mutating func length() throws(TableFailure) -> Int {
        let value = try variable()
        guard let length = Int(exactly: value), length <= bytes.count - offset else {
            throw .damaged(
                wanted: "a header", found: "a length of \(value) where \(bytes.count - offset) bytes are left")
        }
        return length
    }

    private mutating func zigzag() throws(TableFailure) -> Int {
        let value = try variable()
        return Int(truncatingIfNeeded: value >> 1) ^ -Int(truncatingIfNeeded: value & 1)
    }

    /// A number in groups of 7 bits, the lowest first; at most 10 bytes.
    mutating func variable() throws(TableFailure) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            let byte = try byte()
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        throw .damaged(wanted: "a number of 64 bits in a header", found: "a longer one")
    }

    private func kind(_ nibble: UInt8) throws(TableFailure) -> Kind {
        guard let kind = Kind(rawValue: nibble) else {
            throw .damaged(wanted: "a field of a header", found: "one of the unknown type \(nibble)")
        }
        return kind
    }

    private func tooLong(_ count: Int) -> TableFailure {
        .damaged(wanted: "\(count) bytes or more in a header", found: "\(bytes.count - offset) that are left")
    }

    private func unexpected(_ field: Field, _ wanted: String) -> TableFailure {
        .damaged(wanted: "\(wanted) in field \(field.id) of a header", found: "type \(field.kind.rawValue)")
    }
}
