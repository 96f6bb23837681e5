import ApusData
import ApusGeneration
import ApusModel
import ApusTestSupport
import Foundation
import Testing

@testable import ApusTrain

/// A recorded `GRPOTrainer.train()` of trl 1.16 (trl_train.json) and the means to run it again here.
struct RecordedRun: Decodable {
    struct Generation: Decodable {
        var micro_step: Int
        var prompt_ids: [[Int32]]
        var completion_ids: [[Int32]]
        var rewards_per_func: [[Double?]]
        var advantages: [Double]
        var num_items_in_batch: Int
        var old_per_token_logps: [[Float]]?
        var ref_per_token_logps: [[Float]]?
    }
    struct MicroStep: Decodable {
        var rows: [Int]
        var loss: Double
        var window: Int
    }
    var cfg: [String: JSONValue]
    var generations: [Generation]
    var micro: [MicroStep]
    var log: [[String: Double]]

    private struct File: Decodable { var runs: [String: RecordedRun] }

    /// One of the recorded runs: "dapo" or "reuse", and in a file of its own "full".
    static func named(_ name: String, in file: String = "trl_train.json") throws -> RecordedRun {
        try #require(try Fixture.json(file, as: File.self).runs[name])
    }

    /// The prompts that the recording used, in the order of its data set.
    static let dataset = Dataset(
        samples: (0..<8).map { i in
            let text = "\(i + 20) \(i + 40) \(i + 60)" + (i % 2 == 1 ? " 99" : "")
            return Sample(prompt: .text(text), columns: [:])
        })

    /// The reward functions that the recording used.
    static let rewards: [any RewardFunction] = [
        TokenReward("even") { tokens in
            (Double(tokens.count { $0 % 2 == 0 }) / Double(tokens.count) * 1000).rounded() / 1000
        },
        TokenReward("short") { tokens in tokens.count == 4 ? nil : tokens.count < 4 ? 1 : 0 },
    ]

    /// Which rows each micro-step takes, as one order a generation.
    func rowOrder(generation: Int, slices: Int) -> [Int] {
        let first = generations[generation].micro_step
        return micro[first..<(first + slices)].flatMap(\.rows)
    }

    /// Trains with a policy in the place of the recorded model, and returns the trainer and its log lines.
    func replay(
        policy: Policy, outputDir: String, afterStep: @escaping @Sendable () -> Void = {}
    ) async throws -> (GRPOTrainer, [MetricsRecord]) {
        var settings = cfg
        settings["output_dir"] = .string(outputDir)
        settings["logging_steps"] = .number(1)
        let recorder = EventRecorder()
        let trainer = try GRPOTrainer(
            configuration: GRPOConfiguration(settings: settings), policy: policy, tokenizer: NumberTokenizer(),
            dataset: Self.dataset, rewards: Self.rewards)
        let slices = trainer.plan.batch.stepsPerGeneration
        trainer.step.rowOrder = { _, generation in rowOrder(generation: generation, slices: slices) }
        trainer.onEvent = { event in
            recorder.append(event)
            if case .stepFinished = event { afterStep() }
        }
        _ = try await trainer.run()
        return (trainer, recorder.records)
    }

    /// Keys of a log line that depend on the recorded rollouts alone, not on a model.
    static let rolloutKeys = [
        "num_tokens", "completions/mean_length", "completions/min_length", "completions/max_length",
        "completions/clipped_ratio", "completions/mean_terminated_length", "completions/min_terminated_length",
        "completions/max_terminated_length", "rewards/even/mean", "rewards/even/std", "rewards/short/mean",
        "rewards/short/std", "reward", "reward_std", "frac_reward_zero_std",
    ]

    /// Compares log lines with the recorded ones: the names in full, the values of some keys, each within a tolerance.
    func check(_ records: [MetricsRecord], keys: [String: Double]) {
        #expect(records.count == log.count)
        for (record, expected) in zip(records, log) {
            let own: Set = [
                "completion_length", "rewards/even", "rewards/short", "step_time", "time/rollout", "time/reward",
                "time/train", "tokens_per_second", "memory/resident_mib", "sampling/sampling_logp_difference/mean",
                "sampling/sampling_logp_difference/max",
            ]
            #expect(Set(record.entries.map(\.name)).subtracting(own).union(["step"]) == Set(expected.keys))
            for (key, tolerance) in keys {
                guard let value = expected[key] else { continue }
                let found = key == "step" ? Double(record.step) : record[key] ?? .nan
                #expect(
                    isClose(found, value, tolerance: tolerance), "step \(record.step) \(key): \(found), TRL \(value)")
            }
        }
    }
}

/// Returns the recorded completions and checks that the trainer asks for the recorded prompts.
class RecordedRollouts: FakePolicy {
    let run: RecordedRun
    var generation = 0

    init(_ run: RecordedRun) { self.run = run }

    nonisolated(nonsending) override func generate(
        _ prompts: [[Int32]], groupSize: Int, step: Int, sampling: SamplingParameters, continuesBatch: Bool,
        onToken: () -> Void
    ) async throws -> [[Completion]] {
        #expect(step == generation)
        let recorded = run.generations[step]
        generation += 1
        return prompts.indices.map { group in
            (0..<groupSize).map { index in
                let row = group * groupSize + index
                #expect(prompts[group] == recorded.prompt_ids[row], "prompt order, generation \(step)")
                let tokens = recorded.completion_ids[row]
                let isComplete = tokens.last == 2
                return Completion(tokens: tokens, logProbs: [], finishReason: isComplete ? .stop : .length)
            }
        }
    }
}
