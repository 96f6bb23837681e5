public import Foundation

/// Builds small GGUF files, correct ones and, through its knobs, wrong ones.
public struct GGUFBuilder {
    /// A metadata value that tests need.
    public enum Value {
        /// Type 4.
        case uint32(UInt32)
        /// Type 6.
        case float32(Float)
        /// Type 8.
        case string(String)
        /// Type 7.
        case bool(Bool)
        /// An array of type 8.
        case strings([String])
        /// An array of type 5.
        case int32s([Int32])
        /// A value type and its bytes, for what is not well formed.
        case raw(UInt32, [UInt8])
    }

    /// One tensor; dimensions in GGUF's order, innermost first.
    public struct Tensor {
        /// Its name.
        public var name: String
        /// Innermost first.
        public var dimensions: [UInt64]
        /// ggml's number of the type.
        public var type: UInt32
        /// The blocks.
        public var bytes: [UInt8]
        /// An offset to write instead of the right one.
        public var offset: UInt64?
    }

    /// The first four bytes.
    public var magic = "GGUF"
    /// The version.
    public var version: UInt32 = 3
    /// A tensor count to write instead of the right one.
    public var tensorCount: UInt64?
    /// A metadata count to write instead of the right one.
    public var pairCount: UInt64?
    /// The metadata.
    public var pairs: [(String, Value)] = []
    /// The tensors, in file order.
    public var tensors: [Tensor] = []
    /// What the data are padded to.
    public var alignment = 32

    /// An empty file of version 3.
    public init() {}

    /// Adds a tensor with a Hugging Face shape, outermost dimension first.
    public mutating func append(_ name: String, shape: [Int], type: UInt32, bytes: [UInt8], offset: UInt64? = nil) {
        let dimensions = shape.reversed().map(UInt64.init)
        tensors.append(Tensor(name: name, dimensions: dimensions, type: type, bytes: bytes, offset: offset))
    }

    /// The file.
    public func data() -> Data {
        var out = Data(magic.utf8)
        Self.append(version, to: &out)
        Self.append(tensorCount ?? UInt64(tensors.count), to: &out)
        Self.append(pairCount ?? UInt64(pairs.count), to: &out)
        for (key, value) in pairs {
            Self.append(key, to: &out)
            Self.append(value, to: &out)
        }
        var body = Data()
        for tensor in tensors {
            Self.append(tensor.name, to: &out)
            Self.append(UInt32(tensor.dimensions.count), to: &out)
            for dimension in tensor.dimensions { Self.append(dimension, to: &out) }
            Self.append(tensor.type, to: &out)
            body.append(Data(count: (alignment - body.count % alignment) % alignment))
            Self.append(tensor.offset ?? UInt64(body.count), to: &out)
            body.append(contentsOf: tensor.bytes)
        }
        out.append(Data(count: (alignment - out.count % alignment) % alignment))
        return out + body
    }

    private static func append(_ value: some FixedWidthInteger, to out: inout Data) {
        withUnsafeBytes(of: value.littleEndian) { out.append(contentsOf: $0) }
    }

    private static func append(_ text: String, to out: inout Data) {
        append(UInt64(text.utf8.count), to: &out)
        out.append(contentsOf: text.utf8)
    }

    private static func append(_ value: Value, to out: inout Data) {
        switch value {
        case .uint32(let number):
            append(UInt32(4), to: &out)
            append(number, to: &out)
        case .float32(let number):
            append(UInt32(6), to: &out)
            append(number.bitPattern, to: &out)
        case .bool(let flag):
            append(UInt32(7), to: &out)
            append(UInt8(flag ? 1 : 0), to: &out)
        case .string(let text):
            append(UInt32(8), to: &out)
            append(text, to: &out)
        case .strings(let texts):
            append(UInt32(9), to: &out)
            append(UInt32(8), to: &out)
            append(UInt64(texts.count), to: &out)
            for text in texts { append(text, to: &out) }
        case .int32s(let numbers):
            append(UInt32(9), to: &out)
            append(UInt32(5), to: &out)
            append(UInt64(numbers.count), to: &out)
            for number in numbers { append(number, to: &out) }
        case .raw(let type, let bytes):
            append(type, to: &out)
            out.append(contentsOf: bytes)
        }
    }
}
