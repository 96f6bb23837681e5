import Foundation

/// `metrics.jsonl`: one JSON object a log line, in the order of the console's.
final class MetricsLog {
    private let handle: FileHandle
    private let path: String

    /// Opens the file anew. What an earlier run left there is kept beside it as `metrics.previous.jsonl`.
    /// - Parameter lastStep: for a continuation, the step that it goes on from: lines up to there stay.
    convenience init(directory: URL, continuingFrom lastStep: Int?) throws(TrainingError) {
        let url = directory.appending(path: "metrics.jsonl")
        let manager = FileManager.default
        do {
            var kept = Data()
            if manager.fileExists(atPath: url.path) {
                if let lastStep { kept = try Self.lines(of: url, upTo: lastStep) }
                let previous = directory.appending(path: "metrics.previous.jsonl")
                try? manager.removeItem(at: previous)
                try manager.moveItem(at: url, to: previous)
            }
            try kept.write(to: url)
            try self.init(opening: url)
        } catch {
            throw RunDirectory.failure("write \(url.path)", error)
        }
    }

    private static func lines(of url: URL, upTo lastStep: Int) throws -> Data {
        var kept = Data()
        for line in try Data(contentsOf: url).split(separator: UInt8(ascii: "\n")) {
            guard let record = try? JSONDecoder().decode(MetricsRecord.self, from: line), record.step <= lastStep else {
                break
            }
            kept += line + [UInt8(ascii: "\n")]
        }
        return kept
    }

    init(opening url: URL) throws {
        handle = try FileHandle(forWritingTo: url)
        try handle.seekToEnd()
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
