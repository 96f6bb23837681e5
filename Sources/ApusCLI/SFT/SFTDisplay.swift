import Apus
import Foundation
import Synchronization

/// Shows a supervised run: one line a log step on standard output and, on a terminal, how far a step has come.
final class SFTDisplay: Sendable {
    private struct State {
        var lastCheckpoint: String?
        /// The token count of the last line and when it was shown.
        var lastLine: (step: Int, tokens: Double, at: ContinuousClock.Instant)
        let begin: ContinuousClock.Instant
    }

    private let stepCount: Int
    private let state: Mutex<State>
    private let clock = ContinuousClock()

    /// The folder of the newest checkpoint.
    var lastCheckpoint: String? { state.withLock { $0.lastCheckpoint } }

    init(stepCount: Int) {
        self.stepCount = stepCount
        let now = clock.now
        state = Mutex(State(lastLine: (0, 0, now), begin: now))
    }

    func show(_ event: TrainingEvent) {
        switch event {
        case .notice(let text), .warning(let text): Terminal.complain(text)
        case .logged(let record): Terminal.printLine(line(record))
        case .saved(let path): state.withLock { $0.lastCheckpoint = path }
        case .progress(_, let step, let done, let total) where Terminal.showsProgress:
            Terminal.showTransient("step \(step)/\(stepCount): \(done) of \(total) tokens")
        default: break
        }
    }

    private func line(_ record: MetricsRecord) -> String {
        func value(_ label: String, _ name: String, _ digits: Int) -> String? {
            record[name].map { "\(label) \(fixed($0, digits))" }
        }
        let number = String(record.step)
        let padding = String(repeating: " ", count: max(0, String(stepCount).count - number.count))
        return [
            "step \(padding)\(number)/\(stepCount)", value("loss", "loss", 4),
            value("accuracy", "mean_token_accuracy", 3), value("grad", "grad_norm", 3),
            record["learning_rate"].map { "lr \(scientific($0))" },
        ].compactMap(\.self).joined(separator: "  ") + pace(record)
    }

    /// Speed since the last line, and what is left at the pace so far.
    private func pace(_ record: MetricsRecord) -> String {
        let now = clock.now
        let tokens = record["num_tokens"] ?? 0
        let (last, begin) = state.withLock { state in
            defer { state.lastLine = (record.step, tokens, now) }
            return (state.lastLine, state.begin)
        }
        let seconds = last.at.duration(to: now).seconds
        let speed = seconds > 0 ? "  \(fixed((tokens - last.tokens) / seconds, 0)) tok/s" : ""
        let left = begin.duration(to: now).seconds / Double(record.step) * Double(stepCount - record.step)
        return speed + (record.step < stepCount ? "  left \(timeSpan(left))" : "")
    }
}
