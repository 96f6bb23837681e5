import ApusFormats
import Foundation

/// Tells models apart without reading all of their weights.
///
/// Of each file that belongs to the model the hash covers its name, its size, its beginning (configuration, tokenizer and
/// tensor tables as a whole) and pieces spread evenly over the rest.
enum ModelDigest {
    private static let headBytes = 16 << 20
    private static let pieceBytes = 4096
    private static let pieceCount = 256

    /// The beginning of the digest of a model folder or file, in hexadecimal.
    /// - Throws: when a file cannot be read.
    static func digest(path: String) throws -> String {
        var hash = SHA256()
        for file in try files(path) {
            try add(file.url, named: file.name, to: &hash)
        }
        return String(hash.hexadecimal.prefix(16))
    }

    /// A file of its own is its content, whatever its name; in a folder, names matter.
    private static func files(_ path: String) throws -> [(name: String, url: URL)] {
        var isFolder: ObjCBool = false
        _ = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
        guard isFolder.boolValue else { return [("", URL(filePath: path))] }
        let folder = URL(filePath: path, directoryHint: .isDirectory)
        return try FileManager.default.contentsOfDirectory(atPath: path).sorted()
            .filter { $0.hasSuffix(".json") || $0.hasSuffix(".safetensors") || $0.hasSuffix(".jinja") }
            .map { ($0, folder.appending(path: $0)) }
    }

    private static func add(_ url: URL, named name: String, to hash: inout SHA256) throws {
        let handle = try FileHandle(forReadingFrom: url)
        defer { try? handle.close() }
        let size = Int(try handle.seekToEnd())
        hash.update("\(name)\n\(size)\n".utf8)
        try handle.seek(toOffset: 0)
        hash.update(try handle.read(upToCount: min(size, headBytes)) ?? Data())
        let rest = size - headBytes
        guard rest > 0 else { return }
        for piece in 0..<pieceCount {
            let offset =
                headBytes + (Double(rest) * Double(piece + 1) / Double(pieceCount)).wholeNumber(in: 0...rest)
                - pieceBytes
            try handle.seek(toOffset: UInt64(max(headBytes, offset)))
            hash.update(try handle.read(upToCount: pieceBytes) ?? Data())
        }
    }
}
