import ApusData
import ApusGeneration
import ApusModel
import ApusTensor
import ApusTestModels
import ApusTestSupport
import Foundation
import Testing

@testable import ApusTrain

/// Dynamic sampling in whole runs: what is drawn, what it is divided by, what is logged.
struct DynamicSamplingTests {
    /// Prompts below 14 get completions whose lengths differ, from 14 on all are alike.
    private static func complete(_ prompt: [Int32], _ sample: Int) -> Completion {
        FakePolicy.completion(Array(repeating: 7, count: prompt[0] < 14 ? sample % 4 + 1 : 2))
    }

    private func run(
        _ policy: FakePolicy, prompts: Int = 16, _ change: (inout GRPOConfiguration) -> Void
    ) async throws -> EventRecorder {
        let folder = try TemporaryFolder()
        var configuration = GRPOTrainerTests.configuration(folder)
        configuration.perDeviceTrainBatchSize = 16
        configuration.optimizer.maxSteps = 4
        configuration.dynamicSampling = true
        change(&configuration)
        if policy.optimizerSteps.isEmpty { policy.complete = Self.complete }
        let recorder = EventRecorder()
        let trainer = try GRPOTrainer(
            configuration: configuration, policy: policy, tokenizer: NumberTokenizer(),
            dataset: GRPOTrainerTests.prompts(prompts), rewards: [TokenReward("length") { Double($0.count) }])
        trainer.onEvent = { recorder.append($0) }
        _ = try await trainer.run()
        return recorder
    }

    private func rollouts(_ recorder: EventRecorder) -> [RolloutReport] {
        recorder.events.compactMap { if case .rollout(let report) = $0 { report } else { nil } }
    }

    @Test func groupsWithoutSpreadAreReplacedByThoseOfFurtherPrompts() async throws {
        let policy = FakePolicy()
        let recorder = try await run(policy) { $0.maxNumGenBatches = 50 }
        for rollout in rollouts(recorder) {
            #expect(rollout.completions.count == 16)
            #expect(rollout.advantages.allSatisfy { $0 != 0 })
        }
        // The prompts of a run are those of the stream, none twice in a pass.
        var stream = PromptStream(
            RepeatSampler(promptCount: 16, promptsPerGeneration: 4, shuffles: true, seed: 42))
        let drawn = recorder.records.reduce(0) { $0 + (Int(exactly: $1["dynamic_sampling/prompts_drawn"] ?? 0) ?? 0) }
        let useful = (0..<drawn).map { stream.prompt(at: $0) }.filter { $0 + 10 < 14 }
        let trained = rollouts(recorder).flatMap { report in
            stride(from: 0, to: 16, by: 4).map { report.prompts[$0] }
        }
        #expect(trained == useful.map { .text("\($0 + 10)") })
        #expect(recorder.records.allSatisfy { $0["dynamic_sampling/groups_kept"] == 4 })
    }

    @Test(arguments: [1, 2, 3])
    func roundsHaveALimit(limit: Int) async throws {
        let policy = FakePolicy()
        let recorder = try await run(policy) { $0.maxNumGenBatches = limit }
        for (record, rollout) in zip(recorder.records, rollouts(recorder)) {
            let kept = try #require(record["dynamic_sampling/groups_kept"])
            #expect(record["dynamic_sampling/num_gen_batches"].map { $0 <= Double(limit) } == true)
            #expect(rollout.completions.count == 16)
            #expect(rollout.advantages.count { $0 != 0 } == 4 * min(kept, 4).wholeNumber(in: 0...4))
            #expect(kept == 4 || record["dynamic_sampling/num_gen_batches"] == Double(limit))
        }
        // Every round draws random numbers of its own.
        #expect(policy.generatedSteps == Array(0..<policy.generatedSteps.count))
        #expect(policy.generatedSteps.count > 4 || limit == 1)
    }

    /// What is filled up counts in every denominator. The reference: advantages and lengths as reported, and the losses'
    /// definitions.
    @Test(arguments: [LossType.dapo, .drGRPO, .grpo, .bnpo])
    func denominatorsAreThoseOfTheWholeBatch(type: LossType) async throws {
        let policy = RecordingPolicy()
        let recorder = try await run(policy) {
            $0.lossType = type
            $0.maxNumGenBatches = 2
            $0.optimizer.maxSteps = 3
            $0.optimizer.maxGradNorm = 0
        }
        let reports = rollouts(recorder)
        #expect(reports.contains { $0.advantages.contains(0) })
        for (report, gradient) in zip(reports, policy.gradients) {
            let lengths = report.completions.map { Double($0.split(separator: " ").count) }
            let total = lengths.reduce(0, +)
            let rows = zip(report.advantages, lengths)
            let expected =
                switch type {
                case .grpo: rows.reduce(0) { $0 - $1.0 } / 16
                case .drGRPO: rows.reduce(0) { $0 - $1.0 * $1.1 } / (16 * 512)
                default: rows.reduce(0) { $0 - $1.0 * $1.1 } / total
                }
            #expect(abs(gradient - expected) < 1e-6, "\(gradient) \(expected)")
        }
    }

    @Test func figuresAreOfEverythingThatWasSampled() async throws {
        let recorder = try await run(FakePolicy()) { $0.maxNumGenBatches = 50 }
        for record in recorder.records {
            let drawn = try #require(record["dynamic_sampling/prompts_drawn"])
            // Lengths 1 to 4 where they differ, else 2.
            #expect(record["completions/mean_length"] == (4 * 2.5 + (drawn - 4) * 2) / drawn)
            #expect(record["frac_reward_zero_std"] == (drawn - 4) / drawn)
        }
    }

    @Test func selectiveRolloutDrawsWhatTeachesNothingLessOften() async throws {
        var drawn: [Bool: Double] = [:]
        for selects in [false, true] {
            let recorder = try await run(FakePolicy()) {
                $0.maxNumGenBatches = 50
                $0.optimizer.maxSteps = 30
                $0.selectiveRollout = selects
            }
            drawn[selects] = recorder.records.reduce(0) { $0 + ($1["dynamic_sampling/prompts_drawn"] ?? 0) }
            #expect((recorder.records.last?["selective_rollout/prompts_skipped"] != nil) == selects)
        }
        // Four of sixteen teach something.
        #expect(try #require(drawn[false]) == 480)
        #expect(try #require(drawn[true]) < 0.7 * 480)
    }

    /// A real model: rows that were kept in earlier rounds, in other memory or not at all give the same bits.
    @Test func keptRowsOfEarlierRoundsChangeNoBit() async throws {
        let model = try withModelFolder(copying: "tiny_llama") {
            try LanguageModel(path: $0, precision: .f32, backend: TestDevice.backend())
        }
        var runs: [[Float]] = []
        for keeps in [true, false] {
            let folder = try TemporaryFolder()
            var configuration = GRPOTrainerTests.configuration(folder)
            configuration.maxCompletionLength = 6
            configuration.optimizer.learningRate = 1e-3
            configuration.perDeviceTrainBatchSize = 8
            configuration.optimizer.maxSteps = 3
            configuration.dynamicSampling = true
            let adapter = try LoRAAdapter(LoRAConfiguration(rank: 4, alpha: 8), for: model, seed: 7)
            let recorder = EventRecorder()
            let trainer = try GRPOTrainer(
                configuration: configuration,
                policy: Policy(model: model, adapter: adapter, keepsRollouts: keeps),
                tokenizer: NumberTokenizer(), dataset: RecordedRun.dataset,
                // Rarely earned, so that most groups agree.
                rewards: [TokenReward("rare") { $0.reduce(0, +) % 7 == 0 ? 1 : 0 }])
            trainer.onEvent = { recorder.append($0) }
            _ = try await trainer.run()
            #expect(recorder.records.contains { $0["dynamic_sampling/num_gen_batches"].map { $0 > 1 } == true })
            try runs.append(adapter.parameters)
        }
        #expect(runs[0] == runs[1])
    }
}

/// Remembers each step's gradient.
private final class RecordingPolicy: FakePolicy {
    var gradients: [Double] = []

    override func adamWStep(_ step: AdamWStep) {
        gradients.append(gradient)
        super.adamWStep(step)
    }
}
