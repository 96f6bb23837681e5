package import Foundation

/// The sole right to something, between processes: `flock` on a file that stays when the lock is given back. The system takes
/// it back too when the process ends, however it ends.
package final class FileLock: Sendable {
    /// The open file, for what its owner writes into it.
    package let descriptor: Int32

    private init(descriptor: Int32) { self.descriptor = descriptor }

    /// Gives the lock back by name: closing the file alone leaves it with a child process that was made in these moments and
    /// has not replaced itself yet.
    deinit {
        flock(descriptor, LOCK_UN)
        close(descriptor)
    }

    /// Takes the lock; nil while another has it.
    ///
    /// - Parameters:
    ///   - path: the file, made when it is not there; a link is refused.
    ///   - mode: who may open a file that is made.
    /// - Throws: `POSIXError` when it cannot be opened or locked.
    package static func attempt(_ path: String, mode: mode_t = 0o644) throws(POSIXError) -> FileLock? {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, mode)
        guard descriptor >= 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) != 0 else { return FileLock(descriptor: descriptor) }
        let code = errno
        close(descriptor)
        if [EWOULDBLOCK, EINTR, EACCES].contains(code) { return nil }
        throw POSIXError(POSIXErrorCode(rawValue: code) ?? .EIO)
    }

    /// Whether the file still has a name: whoever had the lock before may have removed it, and then others lock another file.
    package var isNamed: Bool {
        var status = stat()
        return fstat(descriptor, &status) == 0 && status.st_nlink > 0
    }
}
