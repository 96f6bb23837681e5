import Foundation

/// A lock between processes, as `huggingface_hub` takes it: `flock` on a file that stays when the lock is released.
final class BlobLock: Sendable {
    private let descriptor: Int32

    private init(descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    /// Waits until no other process has the lock; the lock lasts as long as the object.
    ///
    /// - Parameter waiting: called once when another process has it.
    /// - Throws: ``HubError`` with code `unwritable`, `stalled` when the deadline comes first, or `cancelled`.
    static func acquire(
        _ file: URL, before deadline: ContinuousClock.Instant, waiting: @Sendable () -> Void
    ) async throws(HubError) -> BlobLock {
        let path = file.path(percentEncoded: false)
        var hasSaid = false
        while true {
            if let lock = try attempt(path) { return lock }
            if !hasSaid { waiting() }
            hasSaid = true
            guard ContinuousClock.now < deadline else {
                throw HubError(.stalled, "another process has held \(path) for too long")
            }
            do { try await Task.sleep(for: .milliseconds(100)) } catch { throw .cancelled }
        }
    }

    /// The lock; nil while somebody else has it.
    private static func attempt(_ path: String) throws(HubError) -> BlobLock? {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o664)
        guard descriptor >= 0 else { throw .system(errno, path, "cannot be opened to lock it") }
        let lock = BlobLock(descriptor: descriptor)
        if flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            switch errno {
            case EWOULDBLOCK, EINTR, EACCES: return nil
            // A file system without locks: a download is right without one, only perhaps done twice.
            case ENOSYS, EOPNOTSUPP, ENOLCK: return lock
            default: throw .system(errno, path, "cannot be locked")
            }
        }
        var status = stat()
        // Whoever had it before may have removed the file: then others would lock another one.
        guard fstat(descriptor, &status) == 0, status.st_nlink > 0 else { return nil }
        return lock
    }
}
