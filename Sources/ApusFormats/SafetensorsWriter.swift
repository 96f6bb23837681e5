public import Foundation

/// Builds a safetensors file, the same bytes for the same tensors.
///
/// Tensors are laid out as the reference implementation does it, wide types first and then by name, and the header is
/// padded with spaces to a multiple of 8 bytes, so that files equal those of PEFT and transformers byte for byte.
public struct SafetensorsWriter {
    /// The elements of a tensor and the type in which they are stored.
    public enum Elements: Sendable {
        /// Stored as F32.
        case f32([Float])
        /// Rounded to the nearest bfloat16, ties to even, and stored as BF16.
        case bf16([Float])
        /// Stored as U8.
        case u8([UInt8])
        /// Little-endian bytes that already are of `type`.
        case raw(ElementType, [UInt8])
    }

    /// One tensor to be written.
    public struct Tensor: Sendable {
        /// Its name, unique in the file.
        public var name: String
        /// Its dimensions, outermost first.
        public var shape: [Int]
        /// Its elements, row-major; as many as the product of `shape`.
        public var elements: Elements

        /// Creates a tensor.
        public init(name: String, shape: [Int], elements: Elements) {
            self.name = name
            self.shape = shape
            self.elements = elements
        }
    }

    /// What goes into the file, in any order.
    public var tensors: [Tensor]
    /// Free text under `__metadata__`; transformers insists on `format`.
    public var metadata: [String: String]

    /// Creates a writer.
    public init(tensors: [Tensor] = [], metadata: [String: String] = ["format": "pt"]) {
        self.tensors = tensors
        self.metadata = metadata
    }

    /// Adds a tensor.
    public mutating func append(_ name: String, shape: [Int], _ elements: Elements) {
        tensors.append(Tensor(name: name, shape: shape, elements: elements))
    }

    /// The bytes of the file.
    public func data() -> Data {
        let ordered = tensors.sorted(by: Self.precedes)
        let layouts = ordered.map { tensor in
            let layout = TensorLayout(name: tensor.name, shape: tensor.shape, type: tensor.elements.type)
            let size = tensor.elements.byteCount
            precondition(layout.byteCount == size, "\(tensor.name): \(size) bytes for shape \(tensor.shape)")
            return layout
        }
        let header = SafetensorsStream(tensors: layouts, metadata: metadata).header()
        var result = Data()
        result.reserveCapacity(header.count + layouts.reduce(0) { $0 + $1.byteCount })
        result.append(contentsOf: header)
        for tensor in ordered { tensor.elements.append(to: &result) }
        return result
    }

    /// Writes the file, through a temporary one so that an older file stays whole until the new one is complete.
    ///
    /// - Throws: `FormatError` with code `unwritable`.
    public func write(to url: URL) throws(FormatError) {
        do {
            try data().write(to: url, options: .atomic)
        } catch {
            let path = url.path(percentEncoded: false)
            throw FormatError(.unwritable, file: path, "cannot be written: \(fileErrorReason(error))")
        }
    }

    private static func precedes(_ a: Tensor, _ b: Tensor) -> Bool {
        let (left, right) = (a.elements.type.safetensorsRank, b.elements.type.safetensorsRank)
        return left == right ? a.name.utf8.lexicographicallyPrecedes(b.name.utf8) : left > right
    }
}

extension SafetensorsWriter.Elements {
    fileprivate var type: ElementType {
        switch self {
        case .f32: .f32
        case .bf16: .bf16
        case .u8: .u8
        case .raw(let type, _): type
        }
    }

    fileprivate var byteCount: Int {
        switch self {
        case .f32(let values): 4 * values.count
        case .bf16(let values): 2 * values.count
        case .u8(let bytes), .raw(_, let bytes): bytes.count
        }
    }

    fileprivate func append(to data: inout Data) {
        switch self {
        case .f32(let values): values.map(\.bitPattern.littleEndian).withUnsafeBytes { data.append(contentsOf: $0) }
        case .bf16(let values): values.map(\.bfloat16Bits.littleEndian).withUnsafeBytes { data.append(contentsOf: $0) }
        case .u8(let bytes), .raw(_, let bytes): data.append(contentsOf: bytes)
        }
    }
}

extension ElementType {
    /// The place of a type in the reference implementation's order.
    fileprivate var safetensorsRank: Int {
        let order: [ElementType] = [.bool, .u8, .i8, .i16, .u16, .f16, .bf16, .i32, .u32, .f32, .f64, .i64, .u64]
        guard let rank = order.firstIndex(of: self) else {
            preconditionFailure("safetensors cannot hold \(rawValue)")
        }
        return rank
    }
}
