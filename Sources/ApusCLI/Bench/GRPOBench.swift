import Apus
import Foundation
import Synchronization

/// Whole optimizer steps through the trainer itself: a group of completions of one length for one prompt, rewards that
/// differ within the group, one backward pass, one AdamW step.
struct GRPOBench {
    let model: LanguageModel
    let group: Int
    let tokens: Int
    let steps: Int
    let checkpointing: GradientCheckpointing

    func run() async throws -> BenchResult {
        let output = FileManager.default.temporaryDirectory.appending(path: "apus-bench-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: output) }
        let adapter = try LoRAAdapter(LoRAConfiguration(rank: 32, alpha: 32), for: model, seed: 3407)
        let configuration = configuration(output)
        var policy = Policy(model: model, adapter: adapter, configuration: configuration)
        policy.sampler = FixedLengthSampler(policy.sampler)
        let trainer = try GRPOTrainer(
            configuration: configuration, policy: policy, tokenizer: model.tokenizer, dataset: BenchQuestions.dataset,
            rewards: [Self.letterE])
        let times = StepTimes()
        trainer.onEvent = { event in
            if case .stepFinished = event { times.stepEnded() }
        }
        times.begin()
        _ = try await trainer.run()
        var result = BenchResult()
        let seconds = result.noting(Spread(seconds: times.seconds))
        result.batch = group
        result.secondsPerStep = seconds
        result.completionTokensPerSecond = Double(group * tokens) / seconds
        result.steps = times.seconds
        return result
    }

    private func configuration(_ output: URL) -> GRPOConfiguration {
        var configuration = GRPOConfiguration()
        configuration.output.outputDir = output.path
        configuration.perDeviceTrainBatchSize = group
        configuration.numGenerations = group
        configuration.maxCompletionLength = tokens
        configuration.optimizer.learningRate = 5e-6
        configuration.gradientCheckpointing = checkpointing
        configuration.lossType = .grpo
        configuration.optimizer.maxSteps = steps
        configuration.output.loggingSteps = 1
        configuration.output.saveStrategy = .no
        return configuration
    }

    /// Differs within a group, so that no group is skipped.
    private static let letterE = Reward("letter_e") { completion, _ in
        Double(completion.utf8.count { $0 == UInt8(ascii: "e") }) / 100
    }
}

/// Wall-clock time from the end of one step to the end of the next.
private final class StepTimes: Sendable {
    private struct State {
        var last: ContinuousClock.Instant?
        var seconds: [Double] = []
    }

    private let state = Mutex(State())
    private let clock = ContinuousClock()

    var seconds: [Double] { state.withLock { $0.seconds } }

    func begin() {
        state.withLock { $0.last = clock.now }
    }

    func stepEnded() {
        let now = clock.now
        state.withLock {
            if let last = $0.last { $0.seconds.append(last.duration(to: now).seconds) }
            $0.last = now
        }
    }
}
