/// One GGUF file, version 2 or 3, mapped into memory.
///
/// Its whole header is checked when it is opened; no length in it is believed before it is compared with what is left.
/// Tensor shapes are reversed to Hugging Face order, `[out, in]`; the bytes are the same.
public final class GGUFFile: TensorSource {
    /// The path as it was given.
    public let path: String
    /// Every tensor by name.
    public let entries: [String: TensorEntry]
    /// Every metadata pair.
    public let metadata: [String: GGUFValue]
    let file: MappedFile
    /// The file itself.
    public var files: [MappedFile] { [file] }

    /// Opens the file at `path` and checks its header.
    ///
    /// - Throws: `FormatError` with code `unreadable`, `truncated`, `malformed`, or `unsupported` for a tensor type
    ///   that cannot be decoded.
    public init(path: String) throws(FormatError) {
        let file = try MappedFile(path: path)
        let header = try file.withBytes { (bytes) throws(FormatError) in try GGUFHeader(bytes, path: path) }
        self.path = path
        self.file = file
        entries = header.entries
        metadata = header.metadata
    }

    /// Decodes rows of a tensor to fp32; see `TensorSource`.
    ///
    /// - Throws: `FormatError` with code `missing` when there is no such tensor.
    public func read(
        _ name: String, rows: Range<Int>, into destination: UnsafeMutableBufferPointer<Float>
    ) throws(FormatError) {
        file.decode(try entry(name), rows: rows, into: destination)
    }

    /// The bytes of a tensor as they are stored.
    ///
    /// - Throws: `FormatError` with code `missing` when there is no such tensor.
    public func readBytes(_ name: String) throws(FormatError) -> [UInt8] {
        file.bytes(of: try entry(name))
    }

    /// Releases the resident file pages of a tensor.
    public func discardPages(of name: String) {
        guard let entry = entries[name] else { return }
        file.discard(entry.byteRange)
    }
}
