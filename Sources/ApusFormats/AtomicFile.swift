import Foundation

/// A file that appears under its name when it is complete: written under another name beside it, put on disk, renamed.
///
/// What had the name before stays whole until then, also for a process that has it mapped into memory. An object that goes
/// away uncommitted takes its draft with it.
public final class AtomicFile {
    /// Where the file will be.
    public let path: String
    /// How the names of drafts end; they begin with a point.
    package static let draftSuffix = ".draft"
    private let draft: String
    private let handle: FileHandle
    private var isCommitted = false

    /// Opens a draft beside `path`.
    ///
    /// - Throws: `FormatError` with code `unwritable`.
    public init(path: String) throws(FormatError) {
        let target = URL(filePath: path, directoryHint: .notDirectory)
        let name = ".\(target.lastPathComponent).\(ProcessInfo.processInfo.processIdentifier)\(Self.draftSuffix)"
        let draft = target.deletingLastPathComponent().appending(path: name).path(percentEncoded: false)
        let descriptor = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o644)
        guard descriptor >= 0 else { throw Self.systemFailure(path) }
        self.path = path
        self.draft = draft
        handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    }

    deinit {
        if !isCommitted { unlink(draft) }
    }

    /// Writes bytes at the end.
    ///
    /// - Throws: `FormatError` with code `unwritable`.
    public func append(_ bytes: [UInt8]) throws(FormatError) {
        let failure: FormatError? = bytes.withUnsafeBytes { bytes in
            do throws(FormatError) { try append(bytes) } catch { return error }
            return nil
        }
        if let failure { throw failure }
    }

    /// Writes bytes that lie anywhere in memory at the end, without a copy.
    ///
    /// - Throws: `FormatError` with code `unwritable`.
    package func append(_ bytes: UnsafeRawBufferPointer) throws(FormatError) {
        // By hand because Foundation's errors hide why a write failed.
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = Self.write(rest, to: handle.fileDescriptor)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw Self.systemFailure(path) }
            rest = rest.dropFirst(count)
        }
    }

    private static func write(_ bytes: Slice<UnsafeRawBufferPointer>, to descriptor: Int32) -> Int {
        let buffer = UnsafeRawBufferPointer(rebasing: bytes)
        return Foundation.write(descriptor, buffer.baseAddress, buffer.count)
    }

    /// Puts the file on disk and gives it its name.
    ///
    /// - Throws: `FormatError` with code `unwritable`.
    public func commit() throws(FormatError) {
        guard fsync(handle.fileDescriptor) == 0, rename(draft, path) == 0 else { throw Self.systemFailure(path) }
        isCommitted = true
    }

    private static func systemFailure(_ path: String) -> FormatError {
        failure(path, String(cString: strerror(errno)).lowercased())
    }

    private static func failure(_ path: String, _ reason: String) -> FormatError {
        FormatError(
            .unwritable, file: path, "cannot be written: \(reason); free space or give another place, nothing was left")
    }
}
