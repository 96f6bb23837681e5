import ApusFormats
import Foundation

/// The lock of a file in the cache, as `huggingface_hub` takes it.
enum BlobLock {
    /// Waits until no other process has the lock; the lock lasts as long as the object.
    ///
    /// - Parameter waiting: called once when another process has it.
    /// - Returns: The lock; nil on a file system without locks, where a download is right without one, only perhaps done
    ///   twice.
    /// - Throws: ``HubError`` with code `unwritable`, `stalled` when the deadline comes first, or `cancelled`.
    static func acquire(
        _ file: URL, before deadline: ContinuousClock.Instant, waiting: @Sendable () -> Void
    ) async throws(HubError) -> FileLock? {
        let path = file.path(percentEncoded: false)
        var hasSaid = false
        while true {
            do throws(POSIXError) {
                if let lock = try FileLock.attempt(path, mode: 0o664), lock.isNamed { return lock }
            } catch {
                if [.ENOSYS, .EOPNOTSUPP, .ENOLCK].contains(error.code) { return nil }
                throw .system(error.code.rawValue, path, "cannot be locked")
            }
            if !hasSaid { waiting() }
            hasSaid = true
            guard ContinuousClock.now < deadline else {
                throw HubError(.stalled, "another process has held \(path) for too long")
            }
            do { try await Task.sleep(for: .milliseconds(100)) } catch { throw .cancelled }
        }
    }
}
