import Foundation

/// `metrics.jsonl`: one JSON object a log line, in the order of the console's.
final class MetricsLog {
    private let handle: FileHandle
    private let path: String
    /// Where the next line begins: behind the last whole one.
    private var end: UInt64

    /// Opens the file anew. What earlier runs left there is kept beside it, see ``EarlierFile``.
    init(directory: URL) throws(TrainingError) {
        let url = directory.appending(path: Self.fileName)
        do {
            try EarlierFile.setAside(url)
            try Data().write(to: url)
            (handle, end) = try Self.open(url)
        } catch {
            throw RunDirectory.failure("write \(url.path)", error)
        }
        path = url.path
    }

    /// Opens the file to go on after the lines of a checkpoint's history: these and no others stay. Lines that a kill cut
    /// short or that belong to steps after the checkpoint go; lines that were lost come back from the history.
    init(directory: URL, continuing history: [MetricsRecord]) throws(TrainingError) {
        let url = directory.appending(path: Self.fileName)
        do {
            let lines = Self.lines(of: (try? Data(contentsOf: url)) ?? Data(), following: history)
            // Through a temporary file: a kill in between leaves the old one.
            try Data(lines.map { $0 + "\n" }.joined().utf8).write(to: url, options: .atomic)
            (handle, end) = try Self.open(url)
        } catch {
            throw RunDirectory.failure("write \(url.path)", error)
        }
        path = url.path
    }

    /// Opens a file or device as it is.
    init(opening url: URL) throws {
        (handle, end) = try Self.open(url)
        path = url.path
    }

    /// Adds a line. When it cannot be written whole, no part of it stays.
    func append(_ record: MetricsRecord) throws(TrainingError) {
        let line = Data((record.json + "\n").utf8)
        do {
            try handle.write(contentsOf: line)
            end += UInt64(line.count)
        } catch {
            try? handle.truncate(atOffset: end)
            throw RunDirectory.failure("write \(path)", error)
        }
    }

    /// Puts all lines on disk: a checkpoint must not be there before the lines that lead to it.
    func synchronize() throws(TrainingError) {
        do {
            try handle.synchronize()
        } catch {
            throw RunDirectory.failure("write \(path)", error)
        }
    }

    static let fileName = "metrics.jsonl"

    private static func open(_ url: URL) throws -> (FileHandle, UInt64) {
        let handle = try FileHandle(forWritingTo: url)
        return (handle, try handle.seekToEnd())
    }

    /// The history's lines, as the file has them where it has them: it keeps the order of names.
    private static func lines(of data: Data, following history: [MetricsRecord]) -> [String] {
        let written = data.split(separator: UInt8(ascii: "\n"))
        return history.enumerated().map { index, record in
            guard index < written.count,
                let line = try? JSONDecoder().decode(MetricsRecord.self, from: written[index]),
                line.step == record.step, Set(line.entries.map(\.name)) == Set(record.entries.map(\.name))
            else { return record.json }
            return String(decoding: written[index], as: UTF8.self)
        }
    }
}
