import ApusModel
import ApusTestModels
import ApusTestSupport
import Foundation
import Testing

@testable import ApusTrain

/// The trainer on a real, tiny model with its own sampler.
struct ModelPolicyTests {
    private struct Run {
        var parameters: [Float]
        var moments: [Float]
        var records: [MetricsRecord]
    }

    private func configuration(_ output: URL) -> GRPOConfiguration {
        var configuration = GRPOConfiguration()
        configuration.outputDir = output.path
        configuration.perDeviceTrainBatchSize = 4
        configuration.gradientAccumulationSteps = 2
        configuration.numGenerations = 4
        configuration.maxCompletionLength = 6
        configuration.maxSteps = 4
        configuration.loggingSteps = 1
        configuration.saveSteps = 100
        configuration.learningRate = 1e-3
        return configuration
    }

    private func run(
        _ configuration: GRPOConfiguration, model: LanguageModel, stopAt: Int? = nil, usesSampledLogProbs: Bool = true
    ) async throws -> Run {
        let adapter = try LoRAAdapter(LoRAConfiguration(rank: 4, alpha: 8), for: model, seed: 7)
        let recorder = EventRecorder()
        let policy = ModelPolicy(model: model, adapter: adapter, samplesExactLogProbs: usesSampledLogProbs)
        let trainer = try GRPOTrainer(
            configuration: configuration, policy: policy,
            tokenizer: NumberTokenizer(), dataset: RecordedRun.dataset,
            rewards: [TokenReward("even") { tokens in Double(tokens.count { $0 % 2 == 0 }) }])
        let stop = trainer.stopSignal
        trainer.onEvent = { event in
            recorder.append(event)
            if case .stepFinished(step: stopAt, of: _) = event { stop.request() }
        }
        _ = try await trainer.run()
        let moments = adapter.optimizerState
        return Run(
            parameters: adapter.parameters, moments: moments.firstMoment + moments.secondMoment,
            records: recorder.records)
    }

    private func model(_ precision: WeightPrecision = .f32) throws -> LanguageModel {
        try withModelFolder(copying: "tiny_llama") { try LanguageModel(path: $0, precision: precision) }
    }

    @Test(arguments: WeightPrecision.allCases)
    func samplerAndTrainerAgreeOnEveryLogProb(precision: WeightPrecision) async throws {
        let folder = try TemporaryFolder()
        let model = try model(precision)
        var configuration = configuration(folder.url.appending(path: "run"))
        configuration.temperature = 0.9
        configuration.topP = 0.8
        configuration.repetitionPenalty = 1.2
        let result = try await run(configuration, model: model)
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
        parts.resumeFromCheckpoint = "true"
        let resumed = try await run(parts, model: model)
        #expect(resumed.parameters == whole.parameters)
        #expect(resumed.moments == whole.moments)
        #expect(resumed.records.map { $0["loss"] } == whole.records.suffix(2).map { $0["loss"] })
    }

    @Test func anotherAdaptersCheckpointIsRefused() async throws {
        let folder = try TemporaryFolder()
        let model = try model()
        let parts = configuration(folder.url.appending(path: "parts"))
        _ = try await run(parts, model: model, stopAt: 1)
        let other = try LoRAAdapter(LoRAConfiguration(rank: 2, alpha: 8), for: model, seed: 7)
        let policy = ModelPolicy(model: model, adapter: other)
        let checkpoint = folder.url.appending(path: "parts/checkpoint-1")
        #expect(throws: (any Error).self) { try policy.restore(from: checkpoint) }
    }
}
