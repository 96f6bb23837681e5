import Crypto
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
            hash.update(data: piece)
            count += piece.count
        }
        return (hexadecimal(hash.finalize()), count)
    }

    /// Two lower-case digits a byte.
    static func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
        let digits = Array("0123456789abcdef".utf8)
        let codes = bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
        return String(decoding: codes, as: UTF8.self)
    }
}
