/// A message in Protocol Buffers' wire format, written field by field.
///
/// Source: protobuf.dev, "Encoding". Only the wire types that TensorBoard's events use.
struct ProtobufMessage {
    private(set) var bytes: [UInt8] = []

    private enum WireType: UInt64 {
        case varint = 0
        case fixed64 = 1
        case lengthDelimited = 2
        case fixed32 = 5
    }

    mutating func append(_ field: UInt64, _ value: Double) {
        appendKey(field, .fixed64)
        appendLittleEndian(value.bitPattern)
    }

    mutating func append(_ field: UInt64, _ value: Float) {
        appendKey(field, .fixed32)
        appendLittleEndian(value.bitPattern)
    }

    mutating func append(_ field: UInt64, _ value: Int) {
        appendKey(field, .varint)
        appendVarint(UInt64(bitPattern: Int64(value)))
    }

    mutating func append(_ field: UInt64, _ text: String) {
        append(field, bytes: Array(text.utf8))
    }

    mutating func append(_ field: UInt64, _ message: ProtobufMessage) {
        append(field, bytes: message.bytes)
    }

    private mutating func append(_ field: UInt64, bytes content: [UInt8]) {
        appendKey(field, .lengthDelimited)
        appendVarint(UInt64(content.count))
        bytes += content
    }

    private mutating func appendKey(_ field: UInt64, _ type: WireType) {
        appendVarint(field << 3 | type.rawValue)
    }

    private mutating func appendVarint(_ value: UInt64) {
        var rest = value
        while rest > 0x7F {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    private mutating func appendLittleEndian(_ value: some FixedWidthInteger) {
        bytes += littleEndianBytes(value)
    }
}

/// The bytes of a number, the lowest first.
func littleEndianBytes<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] {
    (0..<Value.bitWidth / 8).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
}
