import ApusData
import ApusGeneration
import Foundation

/// `apus_state.json`: what an exact continuation needs beside the parameters and the optimizer's moments.
///
/// All randomness is a function of the seed and these counters. A generation batch that is still being trained on is part of
/// it: its completions came from a policy that no longer exists.
struct RunSnapshot: Codable {
    static let fileName = "apus_state.json"

    var version = 1
    /// As written: a run of an earlier version knew fewer keys.
    var configuration: [String: JSONValue]
    var prompts: Int
    var counters: RunCounters
    var entropy: EntropyController
    var window: MetricWindow
    var generation: GenerationSnapshot?

    /// Keys that may differ between a run and its continuation: where files go, how long it lasts, and what changes no result.
    private static let freeKeys: Set<String> = [
        "output_dir", "resume_from_checkpoint", "max_steps", "num_train_epochs", "logging_steps", "logging_first_step",
        "save_strategy", "save_steps", "save_total_limit", "memory_utilization",
        "reward_failure", "reward_failure_limit", "reward_failure_batches",
    ]

    /// The settings that must not differ but do, as `key (before → now)`.
    func differences(from other: GRPOConfiguration) -> [String] {
        let before = configuration
        let now = GRPOConfiguration.tree(of: other)
        return before.keys.sorted().filter { !Self.freeKeys.contains($0) && before[$0] != now[$0] }
            .map { "\($0) (\(text(before[$0])) before, \(text(now[$0])) now)" }
    }

    private func text(_ value: JSONValue?) -> String {
        guard let value, let data = try? JSONEncoder().encode(value) else { return "null" }
        return String(decoding: data, as: UTF8.self)
    }
}

/// A generation batch in a file. Decimal floats are the shortest that read back to the same bits.
struct GenerationSnapshot: Codable {
    struct Row: Codable {
        var group: Int
        var tokens: [Int32]
        var logProbs: [Float]
        var isTruncated: Bool
        var isMasked: Bool
        var advantage: Double
        var oldLogProbs: [Float]?
        var referenceLogProbs: [Float]?
    }

    var prompts: [[Int32]]
    var rows: [Row]
    var order: [Int]
    var sampledAtStep: Int

    init(_ batch: GenerationBatch) {
        prompts = batch.prompts
        order = batch.order
        sampledAtStep = batch.sampledAtStep
        rows = batch.rows.map { row in
            Row(
                group: row.group, tokens: row.completion.tokens, logProbs: row.completion.logProbs,
                isTruncated: row.completion.isTruncated, isMasked: row.isMasked, advantage: row.advantage,
                oldLogProbs: row.oldLogProbs, referenceLogProbs: row.referenceLogProbs)
        }
    }

    var batch: GenerationBatch {
        let rows = rows.map { row in
            let completion = Completion(
                tokens: row.tokens, logProbs: row.logProbs, finishReason: row.isTruncated ? .length : .stop)
            return RolloutRow(
                group: row.group, completion: completion, isMasked: row.isMasked, advantage: row.advantage,
                oldLogProbs: row.oldLogProbs, referenceLogProbs: row.referenceLogProbs)
        }
        return GenerationBatch(prompts: prompts, rows: rows, order: order, sampledAtStep: sampledAtStep)
    }
}
