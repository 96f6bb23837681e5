public import Foundation

/// A folder that is removed with the object.
public final class TemporaryFolder: Sendable {
    /// Where it is.
    public let url: URL

    /// Creates an empty folder.
    public init() throws {
        url = FileManager.default.temporaryDirectory.appending(path: "apus-tests-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    /// Writes a file and gives its path.
    public func write(_ data: Data, as name: String) throws -> String {
        let target = url.appending(path: name)
        try data.write(to: target)
        return target.path(percentEncoded: false)
    }
}
