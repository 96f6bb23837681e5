/// Reads the fields of a protocol buffers message one after the other. Every length is checked against what is left.
struct ProtobufReader {
    /// What a field holds.
    enum Value {
        case integer(UInt64)
        case float(Float)
        /// Text, bytes or a message, by where they lie.
        case bytes(Range<Int>)
        /// A number of 64 bits, which nothing here has.
        case other
    }

    /// Where the message stops to be one.
    struct Failure: Error {
        let offset: Int
    }

    private let bytes: [UInt8]
    private let end: Int
    private var offset: Int

    /// - Parameter range: where the message lies in the bytes; nil for all of them.
    init(_ bytes: [UInt8], _ range: Range<Int>? = nil) {
        self.bytes = bytes
        offset = range?.lowerBound ?? 0
        end = range?.upperBound ?? bytes.count
    }

    /// The next field by its number, or nil at the end.
    mutating func next() throws(Failure) -> (field: Int, value: Value)? {
        guard offset < end else { return nil }
        let key = try integer()
        guard key >> 3 <= 1 << 29 else { throw Failure(offset: offset) }
        let field = Int(key >> 3)
        switch key & 7 {
        case 0: return (field, .integer(try integer()))
        case 1:
            _ = try take(8)
            return (field, .other)
        case 2:
            let length = try integer()
            guard length <= UInt64(end - offset) else { throw Failure(offset: offset) }
            return (field, .bytes(try take(Int(length))))
        case 5:
            let bits = try take(4).reversed().reduce(UInt32(0)) { $0 << 8 | UInt32(bytes[$1]) }
            return (field, .float(Float(bitPattern: bits)))
        default: throw Failure(offset: offset)
        }
    }

    private mutating func take(_ count: Int) throws(Failure) -> Range<Int> {
        guard count <= end - offset else { throw Failure(offset: offset) }
        offset += count
        return offset - count..<offset
    }

    private mutating func integer() throws(Failure) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 64, by: 7) {
            let byte = bytes[try take(1).lowerBound]
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        throw Failure(offset: offset)
    }
}
