package import Foundation

/// Puts every file of a folder, then the folder itself, on disk: a rename must never be seen before what it names.
///
/// - Throws: `POSIXError`.
package func synchronizeFolder(_ path: String) throws {
    for name in try FileManager.default.subpathsOfDirectory(atPath: path) {
        try synchronizeFile(URL(filePath: path).appending(path: name).path(percentEncoded: false))
    }
    try synchronizeFile(path)
}

/// Puts a file, or the names in a folder, on disk.
///
/// - Throws: `POSIXError`.
package func synchronizeFile(_ path: String) throws {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
}

/// Renames a finished folder to its name. What has that name moves aside first, and back when the rename fails.
///
/// - Parameter aside: a name beside it, free for use.
/// - Throws: What `FileManager` throws when a folder cannot be moved; the target is then as it was.
package func replaceFolder(_ target: URL, by draft: URL, aside: URL) throws {
    let manager = FileManager.default
    guard manager.fileExists(atPath: target.path) else { return try manager.moveItem(at: draft, to: target) }
    try? manager.removeItem(at: aside)
    try manager.moveItem(at: target, to: aside)
    do {
        try manager.moveItem(at: draft, to: target)
    } catch {
        try? manager.moveItem(at: aside, to: target)
        throw error
    }
    try? manager.removeItem(at: aside)
}
