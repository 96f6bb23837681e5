import ApusFormats

/// The bytes of a table: a file that is mapped, or memory.
enum TableBytes {
    case file(MappedFile)
    case memory([UInt8])

    /// Maps a file.
    ///
    /// - Throws: ``DataError`` with code `unreadable`.
    init(path: String) throws(DataError) {
        do throws(FormatError) {
            self = .file(try MappedFile(path: path))
        } catch {
            throw DataError(
                .unreadable, file: path, message: "wanted a data file, found one that \(error.message.onOneLine)")
        }
    }

    var count: Int {
        switch self {
        case .file(let file): file.count
        case .memory(let bytes): bytes.count
        }
    }

    /// Lends all bytes; the pointer must not outlive the call.
    func withBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        switch self {
        case .file(let file): try file.withBytes(body)
        case .memory(let bytes):
            try bytes.withUnsafeBufferPointer { (buffer) throws(Failure) in try body(UnsafeRawBufferPointer(buffer)) }
        }
    }

    /// Gives the memory of a range that has been read back to the system.
    func discard(_ range: Range<Int>) {
        if case .file(let file) = self { file.discard(range.clamped(to: 0..<file.count)) }
    }
}
