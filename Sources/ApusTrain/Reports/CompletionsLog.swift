import ApusData
import ApusFormats
import ApusText
import Foundation

/// `completions/completions_<step>.jsonl`: the completions behind a log line, one JSON object each.
///
/// The members are the columns of ``CompletionRows``, the table that TRL writes as Parquet.
struct CompletionsLog {
    private let directory: URL

    /// - Parameter outputDir: the run's output folder.
    init(outputDir: String) {
        directory = URL(filePath: outputDir, directoryHint: .isDirectory).appending(path: "completions")
    }

    /// Writes the file of a step, replacing one of an earlier run.
    func write(_ report: RolloutReport, step: Int) throws {
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let lines = CompletionRows(report, step: step).lines.map { $0 + "\n" }
        try Data(lines.joined().utf8).write(to: directory.appending(path: Self.fileName(step: step)), options: .atomic)
    }

    /// The name of a step's file; five digits at least, as TRL's.
    static func fileName(step: Int) -> String {
        let digits = String(step)
        return "completions_" + String(repeating: "0", count: max(0, 5 - digits.count)) + digits + ".jsonl"
    }
}
