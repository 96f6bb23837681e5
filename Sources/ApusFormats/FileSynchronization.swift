import Foundation

/// Puts every file of a folder, then the folder itself, on disk: a rename must never be seen before what it names.
///
/// - Throws: `POSIXError`.
package func synchronizeFolder(_ path: String) throws {
    for name in try FileManager.default.subpathsOfDirectory(atPath: path) {
        try synchronizeFile(URL(filePath: path).appending(path: name).path(percentEncoded: false))
    }
    try synchronizeFile(path)
}

private func synchronizeFile(_ path: String) throws {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
}
