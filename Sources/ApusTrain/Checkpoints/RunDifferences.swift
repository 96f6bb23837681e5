import ApusData
import Foundation

/// How a continuation differs from the run that wrote the checkpoint, key by key.
struct RunDifferences: Equatable {
    /// One key: `learning_rate (1e-05 before, 2e-05 now)`.
    struct Difference: Equatable, CustomStringConvertible {
        var key: String
        var before: JSONValue?
        var now: JSONValue?

        var description: String { "\(key) (\(Self.text(before)) before, \(Self.text(now)) now)" }

        private static func text(_ value: JSONValue?) -> String {
            if case .string(let text)? = value { return text }
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            guard let value, let data = try? encoder.encode(value) else { return "null" }
            return String(decoding: data, as: UTF8.self)
        }
    }

    /// What makes it another run.
    private(set) var refused: [Difference] = []
    /// What may change, but moves the run off the path of the one that was not stopped.
    private(set) var noticed: [Difference] = []

    /// - Parameters:
    ///   - before: what the checkpoint holds. Keys that it does not know were added later and count as unchanged.
    ///   - now: this run's.
    init(before: [String: JSONValue], now: [String: JSONValue]) {
        for key in before.keys.sorted() where before[key] != now[key] {
            let difference = Difference(key: key, before: before[key], now: now[key])
            switch Self.weight(of: key) {
            case .none: continue
            case .noticed: noticed.append(difference)
            case .refused: refused.append(difference)
            }
        }
    }

    private enum Weight { case none, noticed, refused }

    /// Where files go and what the machine has changes no result; how long a run lasts and what it logs and saves is the
    /// user's to change.
    private static func weight(of key: String) -> Weight {
        let silent: Set = [
            "output_dir", "resume_from_checkpoint", "force_resume", "memory_utilization", "max_skipped_steps",
            "on_not_finite",
            "on_save_failure", "reward_failure", "reward_failure_limit", "reward_failure_batches",
        ]
        let free: Set = [
            "learning_rate", "max_steps", "num_train_epochs", "report_to", "instruction_set",
            "per_device_eval_batch_size", "num_generations_eval", "num_completions_to_print",
            "stop_after_equal_rewards", "load_best_model_at_end", "metric_for_best_model", "greater_is_better",
        ]
        if silent.contains(key) { return .none }
        if free.contains(key) { return .noticed }
        let freely = ["logging_", "log_", "save_", "eval_", RunIdentity.rewardFileKey, RunIdentity.rewardServerKey]
        return freely.contains { key.hasPrefix($0) } ? .noticed : .refused
    }
}
