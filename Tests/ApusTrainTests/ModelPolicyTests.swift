import ApusTensor
import ApusTestModels
import ApusTestSupport
import Foundation
import Testing

@testable import ApusModel
@testable import ApusTrain

/// The trainer on a real, tiny model with its own sampler.
struct ModelPolicyTests {
    private struct Run {
        var parameters: [Float]
        var moments: [Float]
        var records: [MetricsRecord]
        var forwardPasses: Int
        var notices: [String]
    }

    private func configuration(_ output: URL) -> GRPOConfiguration {
        var configuration = GRPOConfiguration()
        configuration.output.outputDir = output.path
        configuration.perDeviceTrainBatchSize = 4
        configuration.gradientAccumulationSteps = 2
        configuration.numGenerations = 4
        configuration.maxCompletionLength = 6
        configuration.optimizer.maxSteps = 4
        configuration.output.loggingSteps = 1
        configuration.output.saveSteps = 100
        configuration.optimizer.learningRate = 1e-3
        return configuration
    }

    private func run(
        _ configuration: GRPOConfiguration, model: LanguageModel, stopAt: Int? = nil, usesSampledLogProbs: Bool = true,
        keepsRollouts: Bool = true, memory: MemoryBudget = MemoryBudget(),
        reward: TokenReward = TokenReward("even") { tokens in Double(tokens.count { $0 % 2 == 0 }) }
    ) async throws -> Run {
        let adapter = try LoRAAdapter(LoRAConfiguration(rank: 4, alpha: 8), for: model, seed: 7)
        let recorder = EventRecorder()
        let policy = Policy(
            model: model, adapter: adapter, samplesExactLogProbs: usesSampledLogProbs, keepsRollouts: keepsRollouts,
            memory: memory)
        let trainer = try GRPOTrainer(
            configuration: configuration, policy: policy,
            tokenizer: NumberTokenizer(), dataset: RecordedRun.dataset,
            rewards: [reward])
        let stop = trainer.stopSignal
        trainer.onEvent = { event in
            recorder.append(event)
            if case .stepFinished(step: stopAt, of: _) = event { stop.request() }
        }
        _ = try await trainer.run()
        let moments = try adapter.optimizerState
        return Run(
            parameters: try adapter.parameters, moments: moments.firstMoment + moments.secondMoment,
            records: recorder.records, forwardPasses: (policy.learner as? ModelLearner)?.pass.forwardPasses ?? -1,
            notices: recorder.notices)
    }

    private func model(_ precision: WeightPrecision = .f32) throws -> LanguageModel {
        try withModelFolder(copying: "tiny_llama") {
            try LanguageModel(path: $0, precision: precision, backend: TestDevice.backend())
        }
    }

    @Test(arguments: WeightPrecision.allCases)
    func samplerAndTrainerAgreeOnEveryLogProb(precision: WeightPrecision) async throws {
        let folder = try TemporaryFolder()
        let model = try model(precision)
        var configuration = configuration(folder.url.appending(path: "run"))
        configuration.temperature = 0.9
        configuration.topP = 0.8
        configuration.repetitionPenalty = 1.2
        // Kept rows would carry the sampler's own numbers.
        let result = try await run(configuration, model: model, keepsRollouts: false)
        let differences = result.records.map { $0["sampling/sampling_logp_difference/max"] }
        #expect(differences == [0, 0, 0, 0])
        #expect(result.records.allSatisfy { ($0["grad_norm"] ?? 0) > 0 })
    }

    @Test func sampledLogProbsStandInForAPassOverTheOldPolicy() async throws {
        let folder = try TemporaryFolder()
        let model = try model()
        var configuration = configuration(folder.url.appending(path: "run"))
        configuration.numIterations = 2
        let sampled = try await run(configuration, model: model)
        let scored = try await run(configuration, model: model, usesSampledLogProbs: false)
        #expect(sampled.parameters == scored.parameters)
        #expect(sampled.records.contains { ($0["clip_ratio/region_mean"] ?? 0) > 0 })
    }

    @Test(arguments: WeightPrecision.allCases)
    func trainingOnKeptRowsGivesTheSameAdapter(precision: WeightPrecision) async throws {
        let folder = try TemporaryFolder()
        let model = try model(precision)
        var configuration = configuration(folder.url.appending(path: "run"))
        configuration.temperature = 0.9
        let kept = try await run(configuration, model: model)
        let computed = try await run(configuration, model: model, keepsRollouts: false)
        #expect(kept.parameters == computed.parameters)
        #expect(kept.moments == computed.moments)
        #expect(kept.records.map { $0["loss"] } == computed.records.map { $0["loss"] })
        #expect(kept.records.map { $0["entropy"] } == computed.records.map { $0["entropy"] })
        #expect(kept.forwardPasses == 0)
        #expect(computed.forwardPasses > 0)
    }

    /// Micro-steps of half a group: the prompt's rows serve both.
    @Test func partsOfGroupsShareTheirPromptsRows() async throws {
        let folder = try TemporaryFolder()
        let model = try model(.nf4)
        var configuration = configuration(folder.url.appending(path: "run"))
        configuration.perDeviceTrainBatchSize = 2
        configuration.gradientAccumulationSteps = 4
        let kept = try await run(configuration, model: model)
        let computed = try await run(configuration, model: model, keepsRollouts: false)
        #expect(kept.parameters == computed.parameters)
        #expect(kept.forwardPasses == 0)
        // One a micro-step, where not both completions have the group's mean reward.
        #expect((9...16).contains(computed.forwardPasses))
    }

    /// Only the first of two passes over a generation batch finds the weights that sampled it.
    @Test func aPolicyThatMovedRunsTheModelAgain() async throws {
        let folder = try TemporaryFolder()
        let model = try model()
        var configuration = configuration(folder.url.appending(path: "run"))
        configuration.numIterations = 2
        let kept = try await run(configuration, model: model)
        let computed = try await run(configuration, model: model, keepsRollouts: false)
        #expect(kept.parameters == computed.parameters)
        #expect(kept.forwardPasses > 0)
        #expect(computed.forwardPasses == 2 * kept.forwardPasses)
    }

    @Test func groupsOfEqualRewardsCostNothing() async throws {
        let folder = try TemporaryFolder()
        let model = try model()
        var configuration = configuration(folder.url.appending(path: "run"))
        configuration.optimizer.maxSteps = 8
        // Few completions earn it, so that some groups have equal rewards and some have not.
        let reward = TokenReward("coarse") { tokens in tokens.count { $0 % 2 == 0 } > 4 ? 1 : 0 }
        let kept = try await run(configuration, model: model, reward: reward)
        let computed = try await run(configuration, model: model, keepsRollouts: false, reward: reward)
        #expect(kept.parameters == computed.parameters)
        #expect(kept.records.map { $0["loss"] } == computed.records.map { $0["loss"] })
        #expect(kept.records.contains { ($0["frac_reward_zero_std"] ?? 0) > 0 }, "no group had equal rewards")
        #expect(kept.forwardPasses == 0)
        #expect((1..<16).contains(computed.forwardPasses))
    }

    @Test func aSmallBudgetGivesTheSameAdapter() async throws {
        let folder = try TemporaryFolder()
        let model = try model()
        var configuration = configuration(folder.url.appending(path: "run"))
        configuration.maxCompletionLength = 40
        let ample = try await run(configuration, model: model)
        let pages = PageStore(model: model, contents: .training(.recompute), pages: 16)
        let tight = try await run(configuration, model: model, memory: MemoryBudget(bytes: pages.budgetBytes))
        #expect(tight.parameters == ample.parameters)
        #expect(tight.forwardPasses > 0)
        #expect(ample.notices.count == 1)
        #expect(tight.notices.count == 2, "said once, not each step")
        #expect(tight.notices.last?.contains("computed again") == true)
        #expect(
            tight.notices[0].contains(
                "1 KiB for keys and values and 1 KiB for kept rows; the budget of 0 MiB holds 256"))
        #expect(ample.forwardPasses == 0)
    }

    @Test func aBudgetForNoSequenceEndsTheRunInOneLine() async throws {
        let folder = try TemporaryFolder()
        let model = try model()
        let configuration = configuration(folder.url.appending(path: "run"))
        let error = await #expect(throws: TrainingError.self) {
            try await run(configuration, model: model, memory: MemoryBudget(bytes: 1000))
        }
        #expect(error?.description.contains("memory_utilization") == true, "\(error?.description ?? "")")
        #expect(error?.description.contains("\n") == false)
    }

    @Test func theSameSeedGivesTheSameRun() async throws {
        let folder = try TemporaryFolder()
        let model = try model()
        let first = try await run(configuration(folder.url.appending(path: "a")), model: model)
        let second = try await run(configuration(folder.url.appending(path: "b")), model: model)
        #expect(first.parameters == second.parameters)
        var other = configuration(folder.url.appending(path: "c"))
        other.seed = 43
        #expect(try await run(other, model: model).parameters != first.parameters)
    }

    @Test func aResumedRunEndsWithTheSameBits() async throws {
        let folder = try TemporaryFolder()
        let model = try model()
        let whole = try await run(configuration(folder.url.appending(path: "whole")), model: model)
        var parts = configuration(folder.url.appending(path: "parts"))
        _ = try await run(parts, model: model, stopAt: 2)
        parts.output.resumeFromCheckpoint = "true"
        let resumed = try await run(parts, model: model)
        #expect(resumed.parameters == whole.parameters)
        #expect(resumed.moments == whole.moments)
        #expect(resumed.records.map { $0["loss"] } == whole.records.suffix(2).map { $0["loss"] })
    }

    /// TRL's reference of a run that goes on from an adapter is a frozen copy of it: before the first step there is no
    /// divergence, and there is one from the base model.
    @Test(arguments: [true, false])
    func theReferenceIsTheAdapterThatTheRunBeganWith(hasReference: Bool) async throws {
        let folder = try TemporaryFolder()
        let tiny = try TinyModel("tiny_llama", precision: .f32, backend: TestDevice.backend(threads: 1))
        var configuration = configuration(folder.url)
        configuration.beta = 0.1
        configuration.optimizer.learningRate = 0
        let reference = try LoRAAdapter(zero: tiny.adapter.configuration, for: tiny.model)
        try reference.setParameters(tiny.adapter.parameters)
        let policy = Policy(
            model: tiny.model, adapter: tiny.adapter, reference: hasReference ? reference : nil)
        let recorder = EventRecorder()
        let trainer = try GRPOTrainer(
            configuration: configuration, policy: policy, tokenizer: NumberTokenizer(), dataset: RecordedRun.dataset,
            rewards: [TokenReward("even") { tokens in Double(tokens.count { $0 % 2 == 0 }) }])
        trainer.onEvent = recorder.append
        _ = try await trainer.run()
        for record in recorder.records { #expect((record["kl"] == 0) == hasReference, "\(record["kl"] ?? .nan)") }
        #expect((policy.learner.identity["reference_adapter"] == nil) == !hasReference)
    }

    @Test func anotherAdaptersCheckpointIsRefused() async throws {
        let folder = try TemporaryFolder()
        let model = try model()
        let parts = configuration(folder.url.appending(path: "parts"))
        _ = try await run(parts, model: model, stopAt: 1)
        let other = try LoRAAdapter(LoRAConfiguration(rank: 2, alpha: 8), for: model, seed: 7)
        let policy = Policy(model: model, adapter: other)
        let checkpoint = folder.url.appending(path: "parts/checkpoint-1")
        #expect(throws: (any Error).self) { try policy.learner.parameters.restore(from: checkpoint) }
    }
}
