/// A GGUF model, version 2 or 3, mapped into memory: one file, or the first of several parts and all the others.
///
/// Its whole header is checked when it is opened; no length in it is believed before it is compared with what is left.
/// Tensor shapes are reversed to Hugging Face order, `[out, in]`; the bytes are the same.
public final class GGUFFile: TensorSource {
    /// The path as it was given.
    public let path: String
    /// Every tensor by name.
    public let entries: [String: TensorEntry]
    /// Every metadata pair, of several parts those of the first.
    public let metadata: [String: GGUFValue]
    /// The file itself, or all parts in their order.
    public let files: [MappedFile]
    private let laterParts: [String: Int]

    /// Opens the file at `path` and checks its header; of a model in parts, `path` is the first and all are opened.
    ///
    /// - Throws: `FormatError` with code `unreadable`, `truncated`, `malformed`; `unsupported` for a tensor type that
    ///   cannot be decoded and for a later part; `missing` and `mismatch` when the parts are not those of one model.
    public init(path: String) throws(FormatError) {
        let parts = try GGUFParts(path: path)
        self.path = path
        entries = parts.entries
        metadata = parts.metadata
        files = parts.files
        laterParts = parts.laterParts
    }

    /// Decodes rows of a tensor to fp32; see `TensorSource`.
    ///
    /// - Throws: `FormatError` with code `missing` when there is no such tensor.
    public func read(
        _ name: String, rows: Range<Int>, into destination: UnsafeMutableBufferPointer<Float>
    ) throws(FormatError) {
        file(of: name).decode(try entry(name), rows: rows, into: destination)
    }

    /// The bytes of a tensor as they are stored.
    ///
    /// - Throws: `FormatError` with code `missing` when there is no such tensor.
    public func readBytes(_ name: String) throws(FormatError) -> [UInt8] {
        file(of: name).bytes(of: try entry(name))
    }

    /// Releases the resident file pages of a tensor.
    public func discardPages(of name: String) {
        guard let entry = entries[name] else { return }
        file(of: name).discard(entry.byteRange)
    }

    private func file(of name: String) -> MappedFile { files[laterParts[name] ?? 0] }
}
