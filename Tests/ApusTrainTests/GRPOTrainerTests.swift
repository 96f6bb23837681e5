import ApusData
import ApusGeneration
import ApusTensor
import ApusTestSupport
import Foundation
import Synchronization
import Testing

@testable import ApusTrain

/// The loop itself, on a policy that only counts.
struct GRPOTrainerTests {
    /// Half of the completions are better than the other half.
    static let parity = TokenReward("parity") { Double($0.count % 2) }
    static let constant = TokenReward("constant") { _ in 1 }

    static func prompts(_ count: Int) -> Dataset {
        Dataset(samples: (0..<count).map { Sample(prompt: .text("\($0 + 10)"), columns: [:]) })
    }

    static func configuration(_ folder: TemporaryFolder) -> GRPOConfiguration {
        var configuration = GRPOConfiguration()
        configuration.output.outputDir = folder.url.path
        configuration.perDeviceTrainBatchSize = 4
        configuration.numGenerations = 4
        configuration.optimizer.maxSteps = 3
        configuration.output.loggingSteps = 1
        configuration.output.saveStrategy = .no
        return configuration
    }

    @Test func rowsOfZeroAdvantageNeedNoForwardPass() async throws {
        let folder = try TemporaryFolder()
        let policy = FakePolicy()
        let recorder = EventRecorder()
        let trainer = try GRPOTrainer(
            configuration: Self.configuration(folder), policy: policy, tokenizer: NumberTokenizer(),
            dataset: Self.prompts(8), rewards: [Self.constant])
        trainer.onEvent = { recorder.append($0) }
        _ = try await trainer.run()
        #expect(policy.forwardRows.isEmpty)
        #expect(policy.optimizerSteps.map(\.step) == [1, 2, 3])
        #expect(recorder.records.allSatisfy { $0["loss"] == 0 && $0["grad_norm"] == 0 && $0["entropy"] == nil })
        #expect(recorder.records[0]["frac_reward_zero_std"] == 1)
    }

    @Test(arguments: LossType.allCases) func rowOrderCannotChangeAnAlignedStep(lossType: LossType) async throws {
        var gradients: [Float] = []
        for isShuffled in [false, true] {
            let folder = try TemporaryFolder()
            var configuration = Self.configuration(folder)
            configuration.lossType = lossType
            configuration.gradientAccumulationSteps = 4
            configuration.perDeviceTrainBatchSize = 4
            configuration.beta = 0.1
            configuration.optimizer.maxSteps = 1
            let policy = FakePolicy()
            policy.complete = { prompt, sample in
                FakePolicy.completion(Array(repeating: 7, count: (Int(prompt[0]) + sample * sample) % 7 + 1))
            }
            let trainer = try GRPOTrainer(
                configuration: configuration, policy: policy, tokenizer: NumberTokenizer(),
                dataset: Self.prompts(4), rewards: [Self.parity])
            if isShuffled { trainer.step.rowOrder = { RowShuffle.order(count: $0, generation: $1, seed: 3) } }
            _ = try await trainer.run()
            #expect(policy.forwardRows == [4, 4, 4, 4])
            #expect((policy.forwardGroups == [1, 1, 1, 1]) == (!isShuffled && lossType != .bnpo))
            gradients.append(policy.moment)
        }
        if lossType != .bnpo { #expect(isClose(Double(gradients[0]), Double(gradients[1]), tolerance: 1e-6)) }
    }

    @Test func klAndEntropyTermsNeedEveryRow() async throws {
        for change in [\GRPOConfiguration.beta, \.entropyCoef] {
            let folder = try TemporaryFolder()
            var configuration = Self.configuration(folder)
            configuration[keyPath: change] = 0.1
            configuration.optimizer.maxSteps = 1
            let policy = FakePolicy()
            let trainer = try GRPOTrainer(
                configuration: configuration, policy: policy, tokenizer: NumberTokenizer(),
                dataset: Self.prompts(8), rewards: [Self.constant])
            _ = try await trainer.run()
            #expect(policy.forwardRows == [4])
            #expect((policy.entropyGradientSum < 0) == (change == \.entropyCoef))
        }
    }

    @Test func tutorialBatchIsRaisedToOneGroup() async throws {
        let folder = try TemporaryFolder()
        var configuration = Self.configuration(folder)
        configuration.perDeviceTrainBatchSize = 1
        configuration.gradientAccumulationSteps = 4
        configuration.numGenerations = 6
        let recorder = EventRecorder()
        let trainer = try GRPOTrainer(
            configuration: configuration, policy: FakePolicy(), tokenizer: NumberTokenizer(),
            dataset: Self.prompts(8), rewards: [Self.parity])
        trainer.onEvent = { recorder.append($0) }
        #expect(trainer.plan.batch.generationBatchSize == 24)
        #expect(trainer.plan.batch.promptsPerGeneration == 4)
        _ = try await trainer.run()
        #expect(recorder.notices.count == 1)
        #expect(recorder.notices[0].contains("is now 6 (4 prompts, 24 completions an optimizer step)"))
        configuration.strictBatchSize = true
        #expect(throws: ConfigurationError.self) { try configuration.validate() }
    }

    @Test func gradientsAreClippedByTheGlobalNorm() async throws {
        let folder = try TemporaryFolder()
        var configuration = Self.configuration(folder)
        configuration.optimizer.maxGradNorm = 0.5
        configuration.optimizer.maxSteps = 1
        let policy = FakePolicy()
        policy.normOverride = 4
        let recorder = EventRecorder()
        let trainer = try GRPOTrainer(
            configuration: configuration, policy: policy, tokenizer: NumberTokenizer(), dataset: Self.prompts(4),
            rewards: [Self.parity])
        trainer.onEvent = { recorder.append($0) }
        _ = try await trainer.run()
        #expect(policy.scales.count == 1 && isClose(Double(policy.scales[0]), 0.125, tolerance: 1e-6))
        #expect(recorder.records[0]["grad_norm"] == 4)
    }

    @Test("Bad input 33: steps that are not finite are skipped, and then end the run")
    func stepsThatAreNotFiniteAreSkippedAndThenEndTheRun() async throws {
        let folder = try TemporaryFolder()
        var configuration = Self.configuration(folder)
        configuration.optimizer.maxSteps = 20
        let policy = FakePolicy()
        policy.parameter = .nan
        let recorder = EventRecorder()
        let trainer = try GRPOTrainer(
            configuration: configuration, policy: policy, tokenizer: NumberTokenizer(), dataset: Self.prompts(4),
            rewards: [Self.parity])
        trainer.onEvent = { recorder.append($0) }
        let error = await #expect(throws: TrainingError.self) { _ = try await trainer.run() }
        #expect(error?.code == .notFinite)
        #expect(policy.optimizerSteps.isEmpty)
        #expect(recorder.warnings.count == 2)
        #expect(recorder.records.allSatisfy { $0["loss"] == 0 && $0["grad_norm"] == nil })
    }

    @Test func aRequestToStopFinishesTheStepAndSaves() async throws {
        let folder = try TemporaryFolder()
        var configuration = Self.configuration(folder)
        configuration.output.saveStrategy = .steps
        configuration.optimizer.maxSteps = 10
        let trainer = try GRPOTrainer(
            configuration: configuration, policy: FakePolicy(), tokenizer: NumberTokenizer(),
            dataset: Self.prompts(4), rewards: [Self.parity])
        let stop = trainer.stopSignal
        trainer.onEvent = { event in
            if case .phase(.reward, step: 2) = event { stop.request() }
        }
        let outcome = try await trainer.run()
        #expect(outcome.step == 2 && outcome.wasStopped)
        #expect(folder.names.contains("checkpoint-2"))
    }

    @Test func rewardFailuresNameTheFunction() async throws {
        struct Wrong: RewardFunction {
            var name = "wrong_count"
            func scores(_ context: RewardContext) async throws -> [Double?] { [1] }
        }
        struct Broken: Error {}
        let functions: [any RewardFunction] = [
            Wrong(), TokenReward("endless") { _ in .infinity }, TokenReward("throwing") { _ in throw Broken() },
        ]
        for function in functions {
            let folder = try TemporaryFolder()
            let trainer = try GRPOTrainer(
                configuration: Self.configuration(folder), policy: FakePolicy(), tokenizer: NumberTokenizer(),
                dataset: Self.prompts(4), rewards: [function])
            let error = await #expect(throws: TrainingError.self) { _ = try await trainer.run() }
            #expect(error?.code == .reward)
            #expect(error?.description.contains(function.name) == true)
            #expect(error?.description.contains("\n") == false)
        }
    }

    @Test func missingRewardsAreLeftOutWithAWarning() async throws {
        let folder = try TemporaryFolder()
        let recorder = EventRecorder()
        let trainer = try GRPOTrainer(
            configuration: Self.configuration(folder), policy: FakePolicy(), tokenizer: NumberTokenizer(),
            dataset: Self.prompts(4), rewards: [TokenReward("some") { $0.count == 1 ? .nan : Double($0.count) }])
        trainer.onEvent = { recorder.append($0) }
        _ = try await trainer.run()
        #expect(recorder.warnings.first?.contains("1 completions") == true)
        #expect(recorder.records[0]["rewards/some/mean"] == 3)
    }

    @Test func equalRewardsForManyGenerationsAreReported() async throws {
        let folder = try TemporaryFolder()
        var configuration = Self.configuration(folder)
        configuration.optimizer.maxSteps = 45
        let recorder = EventRecorder()
        let trainer = try GRPOTrainer(
            configuration: configuration, policy: FakePolicy(), tokenizer: NumberTokenizer(),
            dataset: Self.prompts(4), rewards: [Self.constant])
        trainer.onEvent = { recorder.append($0) }
        _ = try await trainer.run()
        #expect(recorder.warnings.count == 1)
    }

    @Test("Bad input 25: completions that were cut are counted and, with mask_truncated_completions, left out")
    func truncatedCompletionsAreMaskedAndCounted() async throws {
        let folder = try TemporaryFolder()
        var configuration = Self.configuration(folder)
        configuration.maskTruncatedCompletions = true
        configuration.optimizer.maxSteps = 1
        let policy = FakePolicy()
        policy.complete = { _, sample in
            FakePolicy.completion(Array(repeating: 7, count: sample + 1), sample == 3 ? .length : .stop)
        }
        let recorder = EventRecorder()
        let trainer = try GRPOTrainer(
            configuration: configuration, policy: policy, tokenizer: NumberTokenizer(), dataset: Self.prompts(4),
            rewards: [Self.parity])
        trainer.onEvent = { recorder.append($0) }
        _ = try await trainer.run()
        #expect(recorder.records[0]["completions/clipped_ratio"] == 0.25)
        #expect(recorder.records[0]["completions/mean_terminated_length"] == 2)
        #expect(policy.forwardRows == [3])
        #expect(trainer.step.generation?.itemCount == 6)
    }

    @Test func runsThatCannotStartAreRefused() throws {
        let folder = try TemporaryFolder()
        var configuration = Self.configuration(folder)
        func start(_ prompts: Int, _ rewards: [any RewardFunction]) throws {
            _ = try GRPOTrainer(
                configuration: configuration, policy: FakePolicy(), tokenizer: NumberTokenizer(),
                dataset: Self.prompts(prompts), rewards: rewards)
        }
        #expect(throws: ConfigurationError.self) { try start(4, []) }
        #expect(throws: ConfigurationError.self) { try start(4, [Self.parity, Self.parity]) }
        #expect(throws: TrainingError.self) { try start(0, [Self.parity]) }
        configuration.rewardWeights = [1, 2]
        #expect(throws: ConfigurationError.self) { try start(4, [Self.parity]) }
        configuration.rewardWeights = nil
        configuration.gradientAccumulationSteps = 5
        #expect(throws: TrainingError.self) { try start(4, [Self.parity]) }
        try start(5, [Self.parity])
        #expect(folder.names.isEmpty)
    }

    @Test func longPartsOfAStepTellHowFarTheyAre() async throws {
        let folder = try TemporaryFolder()
        let policy = FakePolicy()
        policy.complete = { _, sample in
            Thread.sleep(forTimeInterval: 0.05)
            return FakePolicy.completion(Array(repeating: 7, count: sample + 1))
        }
        var configuration = Self.configuration(folder)
        configuration.optimizer.maxSteps = 1
        let recorder = EventRecorder()
        let trainer = try GRPOTrainer(
            configuration: configuration, policy: policy, tokenizer: NumberTokenizer(), dataset: Self.prompts(4),
            rewards: [Self.parity])
        trainer.onEvent = { recorder.append($0) }
        _ = try await trainer.run()
        let rollout = recorder.events.compactMap { event -> (done: Int, total: Int)? in
            if case .progress(.rollout, step: 1, let done, let total) = event { (done, total) } else { nil }
        }
        let completions = trainer.plan.batch.generationBatchSize
        #expect(!rollout.isEmpty && rollout.count <= completions)
        #expect(rollout.allSatisfy { $0.total == completions * configuration.maxCompletionLength })
        #expect(rollout.map(\.done) == rollout.map(\.done).sorted() && rollout.allSatisfy { $0.done > 0 })
    }

    @Test("A tracker that report_to names and nobody gave is missed before the first step")
    func missingTracker() async throws {
        let folder = try TemporaryFolder()
        var configuration = Self.configuration(folder)
        configuration.reportTo = [.tensorboard, .wandb]
        let trainer = try GRPOTrainer(
            configuration: configuration, policy: FakePolicy(), tokenizer: NumberTokenizer(),
            dataset: Dataset(samples: (1...8).map { Sample(prompt: .text("\($0)")) }), rewards: [Self.parity])
        let error = await #expect(throws: ConfigurationError.self) { try await trainer.run() }
        #expect(error?.description == "report_to: wandb needs a tracker: set the trainer's trackers")
        #expect(folder.names.isEmpty)
    }

    /// Counts what it hears.
    private final class CountingTracker: RunTracker {
        let heard = Mutex<(records: [Int], tables: [Int])>(([], []))
        func log(_ record: MetricsRecord) { heard.withLock { $0.records.append(record.step) } }
        func log(_ completions: CompletionRows) { heard.withLock { $0.tables.append(completions.step) } }
    }

    @Test("A tracker hears of every log line, and of completions where they are logged", arguments: [true, false])
    func tracker(logsCompletions: Bool) async throws {
        let folder = try TemporaryFolder()
        var configuration = Self.configuration(folder)
        configuration.reportTo = [.wandb]
        configuration.logCompletions = logsCompletions
        configuration.output.loggingSteps = 1
        configuration.optimizer.maxSteps = 3
        let trainer = try GRPOTrainer(
            configuration: configuration, policy: FakePolicy(), tokenizer: NumberTokenizer(),
            dataset: Dataset(samples: (1...8).map { Sample(prompt: .text("\($0)")) }), rewards: [Self.parity])
        let tracker = CountingTracker()
        trainer.trackers = [tracker]
        _ = try await trainer.run()
        let heard = tracker.heard.withLock { $0 }
        #expect(heard.records.prefix(3) == [1, 2, 3] && heard.tables == (logsCompletions ? [1, 2, 3] : []))
    }
}
