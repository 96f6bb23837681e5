public import ApusData
import ApusFormats
import ApusText

/// The completions behind a log line as a table with TRL's columns: step, prompt (a list of messages, or text), completion, one
/// a reward function, what the functions logged themselves, advantage, whether it was cut off.
public struct CompletionRows: Sendable, Equatable {
    /// The step of the log line.
    public let step: Int
    /// The columns' names.
    public let columns: [String]
    /// One row a completion, one value a column.
    public let rows: [[JSONValue]]

    init(_ report: RolloutReport, step: Int) {
        self.step = step
        let extra = report.extraColumns.sorted { $0.key < $1.key }
        columns =
            ["step", "prompt", "completion"] + report.rewardNames + extra.map(\.key) + ["advantage", "is_truncated"]
        rows = report.completions.indices.map { row in
            let advantage = report.advantages[row]
            return [.integer(step), Self.json(report.prompts[row]), .string(report.completions[row])]
                + report.rewards[row].map { $0.map(JSONValue.number) ?? .null }
                + extra.map { row < $0.value.count ? $0.value[row] : .null }
                + [advantage.isFinite ? .number(advantage) : .null, .bool(report.isTruncated[row])]
        }
    }

    /// One JSON object a row.
    var lines: [String] {
        rows.map { row in
            let members = zip(columns, row).map { name, value in
                "\(JSONWriter.quoted(name)): \(JSONWriter.compact.write(value))"
            }
            return "{" + members.joined(separator: ", ") + "}"
        }
    }

    private static func json(_ prompt: Prompt) -> JSONValue {
        switch prompt {
        case .text(let text): .string(text)
        case .messages(let messages): .array(messages.map(\.json))
        }
    }
}
