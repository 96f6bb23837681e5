import ApusFormats
import Foundation

/// SHA-256 of files, read piece by piece so that their size does not matter.
enum FileDigest {
    private static let pieceSize = 1 << 20

    /// The digest of a whole file, in hexadecimal, and its size in bytes.
    static func sha256(of url: URL) throws -> (hex: String, bytes: Int) {
        let handle = try FileHandle(forReadingFrom: url)
        defer { try? handle.close() }
        var hash = SHA256()
        var count = 0
        while let piece = try handle.read(upToCount: pieceSize), !piece.isEmpty {
            hash.update(piece)
            count += piece.count
        }
        return (hash.hexadecimal, count)
    }
}
