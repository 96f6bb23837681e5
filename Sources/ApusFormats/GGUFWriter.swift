/// A GGUF file of version 3 that is written tensor by tensor.
public struct GGUFWriter: TensorStream {
    /// A metadata value with the width in which it is stored.
    public enum Value: Sendable, Equatable {
        /// A whole number of 32 bits.
        case uint32(UInt32)
        /// A number.
        case float32(Float)
        /// A truth value.
        case bool(Bool)
        /// UTF-8 text.
        case string(String)
        /// An array of texts.
        case strings([String])
        /// An array of whole numbers of 32 bits.
        case int32s([Int32])
        /// An array of numbers.
        case float32s([Float])
    }

    /// The metadata pairs in file order; keys are unique.
    public var metadata: [(key: String, value: Value)] = []
    /// The tensors in the order of their data, names of at most 64 bytes. Shapes are `[out, in]`; the file turns them.
    public var tensors: [TensorLayout] = []
    /// The format's default needs no metadata of its own.
    public let alignment: Int
    private static let defaultAlignment = 32

    /// An empty file.
    public init() { alignment = Self.defaultAlignment }

    /// An empty file whose tensors begin at multiples of `alignment`, a power of two up to 2^20.
    package init(alignment: Int) {
        precondition(alignment > 0 && alignment <= 1 << 20 && alignment & (alignment - 1) == 0, "\(alignment)")
        self.alignment = alignment
        if alignment != Self.defaultAlignment { set("general.alignment", .uint32(UInt32(alignment))) }
    }

    /// Adds a metadata pair.
    public mutating func set(_ key: String, _ value: Value) { metadata.append((key, value)) }

    /// `"GGUF" | u32 version | u64 tensors | u64 pairs | pairs | tensor infos | padding`.
    public func header() -> [UInt8] {
        var bytes = Array("GGUF".utf8)
        bytes.append(UInt32(3))
        bytes.append(UInt64(tensors.count))
        bytes.append(UInt64(metadata.count))
        for (key, value) in metadata {
            bytes.append(key)
            bytes.append(value)
        }
        var offset = 0
        for tensor in tensors {
            precondition(tensor.name.utf8.count <= 64, "GGUF allows no name as long as \(tensor.name)")
            bytes.append(tensor.name)
            bytes.append(UInt32(tensor.shape.count))
            for dimension in tensor.shape.reversed() { bytes.append(UInt64(dimension)) }
            bytes.append(tensor.type.ggmlNumber)
            bytes.append(UInt64(offset))
            offset += (tensor.byteCount + alignment - 1) / alignment * alignment
        }
        return bytes + [UInt8](repeating: 0, count: (alignment - bytes.count % alignment) % alignment)
    }
}

extension [UInt8] {
    fileprivate mutating func append(_ value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
    }

    /// `u64 length | bytes`.
    fileprivate mutating func append(_ text: String) {
        append(UInt64(text.utf8.count))
        append(contentsOf: text.utf8)
    }

    /// `u32 type | value`; an array is `u32 element type | u64 count | elements`.
    fileprivate mutating func append(_ value: GGUFWriter.Value) {
        switch value {
        case .uint32(let number):
            append(UInt32(4))
            append(number)
        case .float32(let number):
            append(UInt32(6))
            append(number.bitPattern)
        case .bool(let flag):
            append(UInt32(7))
            append(UInt8(flag ? 1 : 0))
        case .string(let text):
            append(UInt32(8))
            append(text)
        case .strings(let texts):
            append(UInt32(9))
            append(UInt32(8))
            append(UInt64(texts.count))
            for text in texts { append(text) }
        case .int32s(let numbers):
            append(UInt32(9))
            append(UInt32(5))
            append(UInt64(numbers.count))
            for number in numbers { append(number) }
        case .float32s(let numbers):
            append(UInt32(9))
            append(UInt32(6))
            append(UInt64(numbers.count))
            for number in numbers { append(number.bitPattern) }
        }
    }
}
