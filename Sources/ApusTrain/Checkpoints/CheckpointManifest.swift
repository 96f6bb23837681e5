import Foundation

/// `apus_manifest.json`: size and SHA-256 of every other file of a checkpoint, written last.
///
/// What a checkpoint held when it was complete can be compared with what it holds now: a flipped bit, a file cut short and a
/// file that is gone are all found before a run goes on from them. Files that were added later do no harm.
struct CheckpointManifest: Codable, Equatable {
    static let fileName = "apus_manifest.json"

    struct File: Codable, Equatable {
        var bytes: Int
        var sha256: String
    }

    var version = 1
    /// By path relative to the folder.
    var files: [String: File]

    /// Bytes of all files together.
    var totalBytes: Int { files.values.reduce(0) { $0 + $1.bytes } }

    /// Describes what lies in a folder.
    init(of folder: URL) throws {
        files = [:]
        let manager = FileManager.default
        for name in try manager.subpathsOfDirectory(atPath: folder.path) where name != Self.fileName {
            let url = folder.appending(path: name)
            var isFolder: ObjCBool = false
            guard manager.fileExists(atPath: url.path, isDirectory: &isFolder), !isFolder.boolValue else { continue }
            let digest = try FileDigest.sha256(of: url)
            files[name] = File(bytes: digest.bytes, sha256: digest.hex)
        }
    }

    /// Reads a checkpoint's manifest.
    init(readingFrom folder: URL) throws {
        self = try JSONDecoder().decode(Self.self, from: Data(contentsOf: folder.appending(path: Self.fileName)))
    }

    func write(to folder: URL) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try (encoder.encode(self) + Data("\n".utf8)).write(to: folder.appending(path: Self.fileName))
    }

    /// The first file that is not what it was, with what is wrong with it; `nil` when all are whole.
    func fault(in folder: URL) -> String? {
        for (name, file) in files.sorted(by: { $0.key < $1.key }) {
            let url = folder.appending(path: name)
            guard FileManager.default.fileExists(atPath: url.path) else { return "\(name) is missing" }
            guard let digest = try? FileDigest.sha256(of: url) else { return "\(name) cannot be read" }
            guard digest.bytes == file.bytes else {
                return "\(name) has \(digest.bytes) of \(file.bytes) bytes"
            }
            guard digest.hex == file.sha256 else { return "\(name) has changed since it was written (SHA-256)" }
        }
        return nil
    }
}
