import Apus
import ApusBench
import ApusTensor

/// A step of decoding or training by its parts: measured, and the least that this machine's peaks allow.
struct StepReport: Encodable {
    struct Part: Encodable {
        let name: String
        let milliseconds: Double
        let limitMilliseconds: Double
        /// Of the step's milliseconds.
        let share: Double
        /// Whether other parts include it, so that the sum does not.
        let isContained: Bool

        enum CodingKeys: String, CodingKey {
            case name, milliseconds, share
            case limitMilliseconds = "limit_milliseconds"
            case isContained = "contained"
        }
    }

    let model: String
    /// `decode` or `training`.
    let work: String
    /// Sequences that are decoded together; nil in training.
    let sequences: Int?
    let parts: [Part]
    let milliseconds: Double
    let limitMilliseconds: Double

    enum CodingKeys: String, CodingKey {
        case model, work, sequences, parts, milliseconds
        case limitMilliseconds = "limit_milliseconds"
    }
}

extension StepReport {
    init(_ step: KernelBenchmark.Step, peaks: MachinePeaks) {
        model = step.model
        switch step.kind {
        case .decoding(let count): (work, sequences) = ("decode", count)
        case .training: (work, sequences) = ("training", nil)
        }
        parts = step.parts.map {
            Part(
                name: $0.part.rawValue, milliseconds: 1000 * $0.seconds,
                limitMilliseconds: 1000 * $0.work.limit(peaks), share: $0.seconds / step.seconds,
                isContained: $0.part.isContained)
        }
        milliseconds = 1000 * step.seconds
        limitMilliseconds = parts.reduce(0) { $0 + ($1.isContained ? 0 : $1.limitMilliseconds) }
    }

    /// For people: `Qwen2.5-0.5B, decode 6`.
    private var title: String { "\(model), \(work)" + (sequences.map { " \($0)" } ?? "") }

    var table: TextTable {
        var table = TextTable(head: [title, "ms", "limit, ms", "limit/ms", "share"])
        func add(_ name: String, _ milliseconds: Double, _ limit: Double, _ share: Double) {
            let reached = limit > 0 ? percent(limit / milliseconds) : ""
            table.add([name, fixed(milliseconds, 2), fixed(limit, 2), reached, percent(share)])
        }
        for part in parts {
            add(
                part.isContained ? "  of it \(part.name)" : part.name, part.milliseconds, part.limitMilliseconds,
                part.share)
        }
        add("sum", milliseconds, limitMilliseconds, 1)
        return table
    }
}
