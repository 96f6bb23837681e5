import ApusData
import ApusFormats
import ApusText
import Foundation

/// `completions/completions_<step>.jsonl`: the completions behind a log line, one JSON object each.
///
/// The members are the columns of the table that TRL writes as Parquet: step, prompt (a list of messages, or text), completion,
/// one a reward function, what the functions logged themselves, advantage.
struct CompletionsLog {
    private let directory: URL

    /// - Parameter outputDir: the run's output folder.
    init(outputDir: String) {
        directory = URL(filePath: outputDir, directoryHint: .isDirectory).appending(path: "completions")
    }

    /// Writes the file of a step, replacing one of an earlier run.
    func write(_ report: RolloutReport, step: Int) throws {
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let lines = report.completions.indices.map { Self.line(report, $0, step: step) + "\n" }
        try Data(lines.joined().utf8).write(to: directory.appending(path: Self.fileName(step: step)), options: .atomic)
    }

    /// The name of a step's file; five digits at least, as TRL's.
    static func fileName(step: Int) -> String {
        let digits = String(step)
        return "completions_" + String(repeating: "0", count: max(0, 5 - digits.count)) + digits + ".jsonl"
    }

    /// One completion as a JSON object, its members in TRL's order.
    static func line(_ report: RolloutReport, _ row: Int, step: Int) -> String {
        var members: [(name: String, value: JSONValue)] = [
            ("step", .integer(step)), ("prompt", json(report.prompts[row])),
            ("completion", .string(report.completions[row])),
        ]
        for (name, value) in zip(report.rewardNames, report.rewards[row]) {
            members.append((name, value.map(JSONValue.number) ?? .null))
        }
        for (name, values) in report.extraColumns.sorted(by: { $0.key < $1.key }) {
            members.append((name, row < values.count ? values[row] : .null))
        }
        let advantage = report.advantages[row]
        members.append(("advantage", advantage.isFinite ? .number(advantage) : .null))
        members.append(("is_truncated", .bool(report.isTruncated[row])))
        return "{" + members.map { "\(text(.string($0.name))): \(text($0.value))" }.joined(separator: ", ") + "}"
    }

    private static func json(_ prompt: Prompt) -> JSONValue {
        switch prompt {
        case .text(let text): .string(text)
        case .messages(let messages):
            .array(messages.map(\.json))
        }
    }

    private static func text(_ value: JSONValue) -> String { JSONWriter.compact.write(value) }
}
