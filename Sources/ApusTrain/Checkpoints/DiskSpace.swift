import Foundation

/// What a save needs and what the disk has, for the message that says that it was not enough.
enum DiskSpace {
    /// Whether an error says that the disk, or the user's share of it, is full.
    static func isShortage(_ error: any Error) -> Bool {
        switch error {
        case let error as CocoaError:
            if let cause = error.underlying { return isShortage(cause) }
            return error.code == .fileWriteOutOfSpace
        case let error as POSIXError: return [.ENOSPC, .EDQUOT, .EFBIG].contains(error.code)
        default: return "\(error)".contains("no space left")
        }
    }

    /// Bytes that a folder's file system has left for this user; `nil` when it does not say.
    static func available(at url: URL) -> Int? {
        var status = statvfs()
        guard statvfs(url.path, &status) == 0 else { return nil }
        return Int(status.f_bavail) * Int(status.f_frsize)
    }

    /// A size for people.
    static func describe(bytes: Int) -> String {
        if bytes < 1 << 20 { return "\((bytes + 1023) >> 10) KiB" }
        let tenths = (bytes * 10 + (1 << 19)) >> 20
        return "\(tenths / 10).\(tenths % 10) MiB"
    }
}
