/// A tensor that is going to be written: everything that a file's header says of it.
public struct TensorLayout: Sendable, Equatable {
    /// Its name, unique in the file.
    public let name: String
    /// Its dimensions, outermost first.
    public let shape: [Int]
    /// The encoding of its elements.
    public let type: ElementType
    /// Bytes that it takes.
    public let byteCount: Int

    /// Describes a tensor whose rows are whole blocks of `type`.
    public init(name: String, shape: [Int], type: ElementType) {
        let size = (shape.last ?? 1) % type.blockElements == 0 ? checkedProduct(shape).flatMap(type.byteCount) : nil
        guard let size else {
            preconditionFailure("\(name): rows of \(shape) are not whole blocks of \(type.rawValue)")
        }
        self.name = name
        self.shape = shape
        self.type = type
        byteCount = size
    }
}

/// A file whose header lists all tensors and whose data follow in that order: written piece by piece, so that memory holds
/// the piece and never the model.
public protocol TensorStream {
    /// The tensors in the order of their data.
    var tensors: [TensorLayout] { get }

    /// What each tensor's data are padded to with zeros, in bytes.
    var alignment: Int { get }

    /// Everything before the first tensor's data.
    func header() -> [UInt8]
}

extension TensorStream {
    /// Bytes of the whole file.
    public var fileSize: Int {
        header().count + tensors.reduce(0) { $0 + $1.byteCount + padding($1.byteCount) }
    }

    /// Writes the file; it appears under its name when it is complete, and not at all when something fails.
    ///
    /// - Parameter fill: hands the bytes of a tensor, in as many pieces as it likes, to its second argument.
    /// - Throws: `FormatError` with code `unwritable`, and what `fill` throws.
    public func write(
        to path: String, _ fill: (_ tensor: TensorLayout, _ append: ([UInt8]) throws -> Void) throws -> Void
    ) throws {
        try compose(path) { tensor, file in
            var written = 0
            try fill(tensor) { bytes in
                try file.append(bytes)
                written += bytes.count
            }
            return written
        }
    }

    /// As `write`, of bytes that lie anywhere in memory.
    ///
    /// - Parameter fill: lends the bytes of a tensor, in as many pieces as it likes, to its second argument.
    /// - Throws: `FormatError` with code `unwritable`, and what `fill` throws.
    package func writeBytes(
        to path: String,
        _ fill: (_ tensor: TensorLayout, _ append: (UnsafeRawBufferPointer) throws -> Void) throws -> Void
    ) throws {
        try compose(path) { tensor, file in
            var written = 0
            try fill(tensor) { bytes in
                try file.append(bytes)
                written += bytes.count
            }
            return written
        }
    }

    private func compose(_ path: String, _ fill: (TensorLayout, AtomicFile) throws -> Int) throws {
        let file = try AtomicFile(path: path)
        try file.append(header())
        for tensor in tensors {
            let written = try fill(tensor, file)
            precondition(written == tensor.byteCount, "\(tensor.name): \(written) bytes of \(tensor.byteCount)")
            try file.append([UInt8](repeating: 0, count: padding(written)))
        }
        try file.commit()
    }

    private func padding(_ size: Int) -> Int { (alignment - size % alignment) % alignment }
}
