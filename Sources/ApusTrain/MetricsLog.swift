import Foundation

/// `metrics.jsonl`: one JSON object a log line, in the order of the console's.
final class MetricsLog {
    private let handle: FileHandle
    private let path: String

    /// Opens the file anew. What an earlier run left there is kept beside it as `metrics.previous.jsonl`.
    convenience init(directory: URL) throws(TrainingError) {
        let url = directory.appending(path: "metrics.jsonl")
        let manager = FileManager.default
        do {
            if manager.fileExists(atPath: url.path) {
                let previous = directory.appending(path: "metrics.previous.jsonl")
                try? manager.removeItem(at: previous)
                try manager.moveItem(at: url, to: previous)
            }
            try Data().write(to: url)
            try self.init(opening: url)
        } catch {
            throw RunDirectory.failure("write \(url.path)", error)
        }
    }

    init(opening url: URL) throws {
        handle = try FileHandle(forWritingTo: url)
        path = url.path
    }

    /// Adds a line.
    func append(_ record: MetricsRecord) throws(TrainingError) {
        do {
            try handle.write(contentsOf: Data((record.json + "\n").utf8))
        } catch {
            throw RunDirectory.failure("write \(path)", error)
        }
    }
}
