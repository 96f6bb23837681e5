#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A file mapped read-only into memory; its bytes are lent, never handed out.
///
/// The mapping lives as long as the object. Pages are read when they are first touched; `discard(_:)` gives them back.
///
/// `@unchecked Sendable`: the base address is set once in `init`, and nothing writes through it.
public final class MappedFile: @unchecked Sendable {
    /// The path as it was given.
    public let path: String
    /// The size in bytes.
    public let count: Int
    /// When the bytes were last written and when the system last changed anything of the file, in nanoseconds since 1970.
    package let times: (modified: Int64, changed: Int64)
    private let base: UnsafeMutableRawPointer?

    /// Maps the regular file at `path`.
    ///
    /// - Throws: `FormatError` with code `unreadable`.
    public init(path: String) throws(FormatError) {
        // A named pipe would otherwise wait for its other end; to a regular file it makes no difference.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw Self.systemError(path, "cannot be opened", "check the path") }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw Self.systemError(path, "cannot be examined") }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw FormatError(.unreadable, file: path, "is not a regular file; give the path of a model file")
        }
        self.path = path
        count = Int(status.st_size)
        #if canImport(Darwin)
            times = (Self.nanoseconds(status.st_mtimespec), Self.nanoseconds(status.st_ctimespec))
        #else
            times = (Self.nanoseconds(status.st_mtim), Self.nanoseconds(status.st_ctim))
        #endif
        guard count > 0 else {
            base = nil
            return
        }
        guard let mapped = mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0), mapped != MAP_FAILED else {
            throw Self.systemError(path, "cannot be mapped into memory")
        }
        base = mapped
    }

    deinit {
        if let base { munmap(base, count) }
    }

    /// Lends the bytes of the whole file to `body`; the pointer must not outlive the call.
    ///
    /// - Throws: What `body` throws.
    public func withBytes<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
        try body(UnsafeRawBufferPointer(start: base, count: count))
    }

    /// Gives the resident pages that lie wholly inside `range` back to the system; they are read again when touched.
    public func discard(_ range: Range<Int>) {
        precondition(
            range.lowerBound >= 0 && range.upperBound <= count, "discard(\(range)) of a file of \(count) bytes")
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        let first = (range.lowerBound + page - 1) / page * page
        let last = range.upperBound == count ? count : range.upperBound / page * page
        guard let base, first < last else { return }
        madvise(base + first, last - first, MADV_DONTNEED)
    }

    /// Has the system read the whole file ahead, while the caller goes on.
    package func readAhead() {
        guard let base else { return }
        madvise(base, count, MADV_WILLNEED)
    }

    private static func nanoseconds(_ time: timespec) -> Int64 {
        Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
    }

    private static func systemError(_ path: String, _ what: String, _ advice: String = "try again") -> FormatError {
        FormatError(.unreadable, file: path, "\(what) (\(String(cString: strerror(errno)))); \(advice)")
    }
}
