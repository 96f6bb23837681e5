import ApusData
import ApusGeneration
import Foundation

/// `apus_state.json`: what an exact continuation needs beside the parameters and the optimizer's moments.
///
/// All randomness is a function of the seed and these counters. A generation batch that is still being trained on is part of
/// it: its completions came from a policy that no longer exists.
struct RunSnapshot: Codable {
    static let fileName = "apus_state.json"

    var version = 2
    /// As written: a run of an earlier version knew fewer keys.
    var configuration: [String: JSONValue]
    /// What is trained, data, rewards and program, see ``RunIdentity``.
    var identity: [String: JSONValue]
    var counters: RunCounters
    /// Of the last step, for a log line that is still to come; `nil` stands for NaN, which JSON does not know.
    var gradientNorm: Double?
    var learningRate: Double
    var window: MetricWindow
    /// Of GRPO alone.
    var entropy: EntropyController?
    var generation: GenerationSnapshot?
    /// Absent where a prompt's turn depends on the step alone.
    var promptSelection: PromptSelection?
    /// Absent in runs of earlier versions.
    var evaluations: EvaluationCourse?

    /// How a run differs from the one that is described here.
    /// - Parameter effects: what a change of each setting means.
    func differences(
        from configuration: [String: JSONValue], _ identity: [String: JSONValue], effects: [String: ResumeEffect]
    ) -> RunDifferences {
        RunDifferences(
            before: self.configuration.merging(self.identity) { $1 }, now: configuration.merging(identity) { $1 },
            effects: effects)
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
        var rewards: [Double?]
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
                rewards: row.rewards, oldLogProbs: row.oldLogProbs, referenceLogProbs: row.referenceLogProbs)
        }
    }

    var batch: GenerationBatch {
        let rows = rows.map { row in
            let completion = Completion(
                tokens: row.tokens, logProbs: row.logProbs, finishReason: row.isTruncated ? .length : .stop)
            return RolloutRow(
                group: row.group, completion: completion, isMasked: row.isMasked, advantage: row.advantage,
                rewards: row.rewards, oldLogProbs: row.oldLogProbs, referenceLogProbs: row.referenceLogProbs)
        }
        return GenerationBatch(prompts: prompts, rows: rows, order: order, sampledAtStep: sampledAtStep)
    }
}
