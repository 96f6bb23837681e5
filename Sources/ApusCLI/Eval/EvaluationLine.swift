import Apus

/// The line that an evaluation within a run is to a reader.
struct EvaluationLine {
    private let parts: [String]

    init(_ report: EvaluationReport) {
        let record = report.record
        var parts = ["eval after step \(report.step)"]
        func add(_ label: String, _ metric: String, _ text: (Double) -> String) {
            if let value = record["eval_" + metric] { parts.append("\(label) \(text(value))") }
        }
        add("reward", "reward") { fixed($0, 3) }
        if let strict = record["eval_accuracy/strict"], let lenient = record["eval_accuracy/lenient"] {
            let inBrackets = strict == lenient ? "" : " (lenient \(percentage(lenient)))"
            parts.append("accuracy \(percentage(strict))\(inBrackets)")
        }
        add("length", "completions/mean_length") { fixed($0, 1) }
        add("cut", "completions/clipped_ratio") { percentage($0) }
        add("in", "runtime") { timeSpan($0) }
        self.parts = parts
    }

    /// The line, of at most `columns` characters if it can be: the last parts go first.
    func text(columns: Int? = nil) -> String {
        var parts = parts
        while parts.count > 2, let columns, parts.joined(separator: "  ").count > columns { parts.removeLast() }
        return parts.joined(separator: "  ")
    }
}

/// A share as it is shown to people: `87.4 %`.
func percentage(_ share: Double) -> String { fixed(share * 100, 1) + " %" }
