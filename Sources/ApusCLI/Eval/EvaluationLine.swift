import Apus

/// The line that an evaluation within a run is to a reader.
struct EvaluationLine {
    /// Pieces of the line, in the order they are shown. Where a line must be short, the larger ranks go first.
    private var parts: [(rank: Int, text: String)] = []

    init(_ report: EvaluationReport) {
        let record = report.record
        func add(_ rank: Int, _ text: String?) {
            if let text { parts.append((rank, text)) }
        }
        func value(_ label: String, _ metric: String, _ text: (Double) -> String) -> String? {
            record["eval_" + metric].map { "\(label) \(text($0))" }
        }
        add(0, "eval after step \(report.step)")
        add(1, value("reward", "reward") { fixed($0, 3) })
        add(6, Self.functions(record))
        add(2, Self.accuracy(record))
        add(3, value("length", "completions/mean_length") { fixed($0, 1) })
        add(4, value("cut", "completions/clipped_ratio") { percentage($0) })
        add(5, value("in", "runtime") { timeSpan($0) })
        for entry in report.loggedByRewards { add(7, entry.value.map { "\(entry.name) \(compact($0))" }) }
    }

    private static func accuracy(_ record: MetricsRecord) -> String? {
        guard let strict = record["eval_accuracy/strict"], let lenient = record["eval_accuracy/lenient"] else {
            return nil
        }
        let inBrackets = strict == lenient ? "" : " (lenient \(percentage(lenient)))"
        return "accuracy \(percentage(strict))\(inBrackets)"
    }

    /// The mean of each reward function, when there are several.
    private static func functions(_ record: MetricsRecord) -> String? {
        let (prefix, suffix) = ("eval_rewards/", "/mean")
        let means = record.entries.compactMap { entry -> String? in
            guard let value = entry.value, entry.name.hasPrefix(prefix), entry.name.hasSuffix(suffix) else {
                return nil
            }
            let name = String(entry.name.dropFirst(prefix.count).dropLast(suffix.count))
            return "\(StepLine.short(name)) \(fixed(value, 2))"
        }
        return means.count > 1 ? "(\(means.joined(separator: ", ")))" : nil
    }

    /// The line, of at most `columns` characters if it can be.
    func text(columns: Int? = nil) -> String {
        var parts = parts
        func line() -> String { parts.map(\.text).joined(separator: "  ") }
        while let columns, parts.count > 2, line().count > columns,
            let last = parts.indices.max(by: { parts[$0].rank <= parts[$1].rank })
        {
            parts.remove(at: last)
        }
        return line()
    }
}

/// A share as it is shown to people: `87.4 %`.
func percentage(_ share: Double) -> String { fixed(share * 100, 1) + " %" }
