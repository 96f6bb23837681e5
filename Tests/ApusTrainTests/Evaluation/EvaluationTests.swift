import ApusData
import ApusGeneration
import ApusModel
import ApusTestModels
import ApusTestSupport
import Foundation
import Testing

@testable import ApusTrain

/// Evaluation within a run: what it measures, when, and that training does not notice it.
struct EvaluationTests {
    private func configuration(_ folder: TemporaryFolder) -> GRPOConfiguration {
        var configuration = GRPOTrainerTests.configuration(folder)
        configuration.evalStrategy = .steps
        configuration.evalSteps = 1
        return configuration
    }

    private func trainer(
        _ configuration: GRPOConfiguration, policy: FakePolicy = FakePolicy(), evaluation: Dataset? = nil,
        reward: TokenReward = GRPOTrainerTests.parity, recorder: EventRecorder = EventRecorder()
    ) throws -> GRPOTrainer {
        let trainer = try GRPOTrainer(
            configuration: configuration, policy: policy, tokenizer: NumberTokenizer(),
            dataset: GRPOTrainerTests.prompts(8), evaluationDataset: evaluation ?? GRPOTrainerTests.prompts(6),
            rewards: [reward])
        trainer.onEvent = { recorder.append($0) }
        return trainer
    }

    @Test(arguments: [(false, false), (true, false), (false, true)])
    func trainingDoesNotNotice(reuse: Bool, hasKL: Bool) async throws {
        let model = try withModelFolder(copying: "tiny_llama") {
            try LanguageModel(path: $0, precision: .f32, backend: TestDevice.backend())
        }
        var runs: [(parameters: [Float], moments: [Float], records: [MetricsRecord])] = []
        for evaluates in [false, true] {
            let folder = try TemporaryFolder()
            var configuration = GRPOTrainerTests.configuration(folder)
            configuration.maxCompletionLength = 6
            configuration.optimizer.learningRate = 1e-3
            configuration.optimizer.maxSteps = 4
            configuration.beta = hasKL ? 0.1 : 0
            if reuse {
                configuration.stepsPerGeneration = 2
                configuration.numIterations = 2
            }
            if evaluates {
                configuration.evalStrategy = .steps
                configuration.evalSteps = 1
                configuration.evalOnStart = true
                configuration.numGenerationsEval = 3
            }
            let adapter = try LoRAAdapter(LoRAConfiguration(rank: 4, alpha: 8), for: model, seed: 7)
            let recorder = EventRecorder()
            let trainer = try GRPOTrainer(
                configuration: configuration, policy: Policy(model: model, adapter: adapter),
                tokenizer: NumberTokenizer(), dataset: RecordedRun.dataset,
                evaluationDataset: evaluates ? RecordedRun.dataset : nil,
                rewards: [TokenReward("even") { tokens in Double(tokens.count { $0 % 2 == 0 }) }])
            trainer.onEvent = { recorder.append($0) }
            _ = try await trainer.run()
            let moments = try adapter.optimizerState
            try runs.append((adapter.parameters, moments.firstMoment + moments.secondMoment, recorder.records))
            #expect(recorder.evaluations.count == (evaluates ? 5 : 0))
        }
        #expect(runs[0].parameters == runs[1].parameters)
        #expect(runs[0].moments == runs[1].moments)
        #expect(runs[0].records.map(\.withoutTimes) == runs[1].records.map(\.withoutTimes))
    }

    @Test func metricsAreThoseOfTrainingUnderTheirEvalNames() async throws {
        let folder = try TemporaryFolder()
        var configuration = configuration(folder)
        configuration.optimizer.maxSteps = 1
        configuration.numGenerationsEval = 2
        configuration.perDeviceEvalBatchSize = 4
        let policy = FakePolicy()
        let recorder = EventRecorder()
        // Prompts 10, 11, …: the completion's length is prompt - 9 for both samples.
        policy.complete = { prompt, _ in FakePolicy.completion(Array(repeating: 7, count: Int(prompt[0]) - 9)) }
        let reward = TokenReward("length") { Double($0.count) }
        _ = try await trainer(
            configuration, policy: policy, evaluation: GRPOTrainerTests.prompts(4), reward: reward, recorder: recorder
        ).run()
        let report = try #require(recorder.evaluations.first)
        #expect(report.step == 1 && report.samples.count == 4)
        #expect(
            report.completions.map { $0.map { $0.split(separator: " ").count } } == [
                [1, 1], [2, 2], [3, 3], [4, 4],
            ])
        let record = report.record
        #expect(record["eval_reward"] == 2.5 && record["eval_rewards/length/mean"] == 2.5)
        #expect(record["eval_completions/mean_length"] == 2.5 && record["eval_completions/clipped_ratio"] == 0)
        #expect(record["eval_frac_reward_zero_std"] == 1 && record["eval_loss"] == 0)
        #expect(record["eval_entropy"] == 0.5)
        let order = record.entries.map(\.name).filter { !$0.contains("/") && !$0.contains("completion") }
        #expect(
            order == [
                "eval_loss", "eval_runtime", "eval_samples_per_second", "eval_steps_per_second", "eval_num_tokens",
                "eval_reward", "eval_reward_std", "eval_frac_reward_zero_std", "eval_entropy", "epoch",
            ])
        #expect(record["eval_accuracy/strict"] == nil)
        let line = try String(contentsOf: folder.url.appending(path: "metrics.jsonl"), encoding: .utf8)
            .split(separator: "\n").last
        #expect(line.map(String.init) == record.json)
    }

    @Test func metricsAreMeansOverBatches() async throws {
        let folder = try TemporaryFolder()
        var configuration = configuration(folder)
        configuration.optimizer.maxSteps = 1
        configuration.numGenerationsEval = 1
        configuration.perDeviceEvalBatchSize = 2
        let policy = FakePolicy()
        policy.complete = { prompt, _ in FakePolicy.completion(Array(repeating: 7, count: Int(prompt[0]) - 9)) }
        let recorder = EventRecorder()
        let trainer = try trainer(
            configuration, policy: policy, evaluation: GRPOTrainerTests.prompts(3),
            reward: TokenReward("length") { Double($0.count) }, recorder: recorder)
        _ = try await trainer.run()
        // torch.randperm(3) with seed 42 is 0, 1, 2 in some order; two prompts make a batch and the third is one alone.
        var sampler = RepeatSampler(promptCount: 3, promptsPerGeneration: 1, shuffles: true, seed: 42)
        let lengths = sampler.nextEpoch().joined().map { Double($0 + 1) }
        let expected = ((lengths[0] + lengths[1]) / 2 + lengths[2]) / 2
        #expect(recorder.evaluations.first?.record["eval_reward"] == expected)
        #expect(policy.forwardRows.suffix(2) == [2, 1])
    }

    @Test func accuracyIsLoggedWhereThereAreReferenceAnswers() async throws {
        let folder = try TemporaryFolder()
        var configuration = configuration(folder)
        configuration.optimizer.maxSteps = 1
        let samples = (0..<4).map { Sample(prompt: .text("\($0 + 10)"), columns: ["answer": .string("\($0 % 2 + 7)")]) }
        let recorder = EventRecorder()
        _ = try await trainer(configuration, evaluation: Dataset(samples: samples), recorder: recorder).run()
        // Completions are "7", "7 7", …: never tagged, and the last number is right for half of the prompts.
        #expect(recorder.evaluations.first?.record["eval_accuracy/strict"] == 0)
        #expect(recorder.evaluations.first?.record["eval_accuracy/lenient"] == 0.5)
    }

    @Test(arguments: [
        (EvaluationStrategy.steps, 2.0, 0.0, false, [2, 4, 6]), (.steps, 2, 3, true, [0, 4, 6]),
        (.steps, 0.5, 0, false, [3, 6]), (.epoch, 1, 0, false, [2, 4, 6]), (.epoch, 1, 2, true, [0, 4, 6]),
        (.no, 1, 0, true, []),
    ])
    func evaluatesOnSchedule(
        strategy: EvaluationStrategy, every: Double, delay: Double, onStart: Bool, steps: [Int]
    ) async throws {
        let folder = try TemporaryFolder()
        var configuration = configuration(folder)
        configuration.evalStrategy = strategy
        configuration.evalSteps = every
        configuration.evalDelay = delay
        configuration.evalOnStart = onStart
        configuration.perDeviceTrainBatchSize = 16
        configuration.optimizer.maxSteps = 6
        let recorder = EventRecorder()
        _ = try await trainer(configuration, recorder: recorder).run()
        #expect(recorder.evaluations.map(\.step) == steps)
    }

    @Test func aContinuedRunHasTheLogOfTheWholeRun() async throws {
        var histories: [[MetricsRecord]] = []
        for stop in [nil, 2] {
            let folder = try TemporaryFolder()
            var configuration = configuration(folder)
            configuration.evalOnStart = true
            configuration.output.saveStrategy = .steps
            configuration.optimizer.maxSteps = 4
            let policy = FakePolicy()
            let first = try trainer(configuration, policy: policy)
            let signal = first.stopSignal
            first.onEvent = { if case .stepFinished(step: stop, of: _) = $0 { signal.request() } }
            _ = try await first.run()
            var last = first
            if stop != nil {
                configuration.output.resumeFromCheckpoint = "true"
                last = try trainer(configuration, policy: FakePolicy())
                _ = try await last.run()
            }
            histories.append(last.loop.state.history)
        }
        // The stop cut the evaluation after step 2 short; the continuation made up for it.
        #expect(histories[0].count == 9)
        #expect(histories[0].map(\.withoutTimes) == histories[1].map(\.withoutTimes))
    }

    @Test func evaluationNeedsData() throws {
        let folder = try TemporaryFolder()
        for dataset in [nil, Dataset(samples: [])] {
            let error = #expect(throws: ConfigurationError.self) {
                _ = try GRPOTrainer(
                    configuration: configuration(folder), policy: FakePolicy(), tokenizer: NumberTokenizer(),
                    dataset: GRPOTrainerTests.prompts(8), evaluationDataset: dataset, rewards: [GRPOTrainerTests.parity]
                )
            }
            #expect(error?.key == "eval_strategy")
        }
        #expect(folder.names.isEmpty)
    }

    @Test func batchesHoldWholeGroups() throws {
        let folder = try TemporaryFolder()
        var configuration = configuration(folder)
        configuration.numGenerationsEval = 6
        #expect(try EvaluationPlan(configuration).batchSize == 12)
        #expect(try EvaluationPlan(configuration).notice?.contains("it is now 12") == true)
        configuration.strictBatchSize = true
        let error = #expect(throws: ConfigurationError.self) { try configuration.validate() }
        #expect(error?.description == "per_device_eval_batch_size: 8 must be a multiple of num_generations_eval (6)")
        configuration.evalStrategy = .no
        try configuration.validate()
    }

    @Test func aPromptThatDoesNotFitIsFoundBeforeTheFirstStep() async throws {
        let folder = try TemporaryFolder()
        var configuration = configuration(folder)
        configuration.output.outputDir = folder.url.appending(path: "run").path
        configuration.maxCompletionLength = 10
        let policy = FakePolicy()
        policy.contextLength = 12
        let long = Dataset(samples: [Sample(prompt: .text("1 2 3"), columns: [:])])
        let trainer = try trainer(configuration, policy: policy, evaluation: long)
        let error = await #expect(throws: TrainingError.self) { _ = try await trainer.run() }
        #expect(error?.code == .prompt && error?.isBadInput == true)
        #expect(error?.description.hasPrefix("prompt 1 of the evaluation data has 3 tokens") == true)
        #expect(folder.names.isEmpty)
    }

    /// Logs the longest completion of each call, as TRL's `log_metric` does, and may fail on some.
    private struct Talkative: RewardFunction {
        let name = "talkative"
        var fails: @Sendable (_ length: Int) -> Bool = { _ in false }

        func scores(_ context: RewardContext) -> [Double?] { context.completionTokens.map { Double($0.count) } }
        func evaluate(_ context: RewardContext) -> RewardEvaluation {
            let lengths = context.completionTokens.map(\.count)
            let failures = lengths.indices.filter { fails(lengths[$0]) }.map { SampleFailure(sample: $0, reason: "no") }
            return RewardEvaluation(
                scores: scores(context), failures: failures,
                metrics: ["longest": [Double(lengths.max() ?? 0)], "epoch_seen": [context.epoch]])
        }
    }

    private func talkativeRun(
        _ reward: Talkative, _ change: (inout GRPOConfiguration) -> Void = { _ in }
    ) async throws -> EventRecorder {
        let folder = try TemporaryFolder()
        var configuration = configuration(folder)
        configuration.numGenerationsEval = 1
        configuration.perDeviceEvalBatchSize = 2
        configuration.optimizer.maxSteps = 2
        change(&configuration)
        let policy = FakePolicy()
        policy.complete = { prompt, _ in FakePolicy.completion(Array(repeating: 7, count: Int(prompt[0]) - 9)) }
        let recorder = EventRecorder()
        let trainer = try GRPOTrainer(
            configuration: configuration, policy: policy, tokenizer: NumberTokenizer(),
            dataset: GRPOTrainerTests.prompts(8), evaluationDataset: GRPOTrainerTests.prompts(4),
            rewards: [reward, GRPOTrainerTests.parity])
        trainer.onEvent = { recorder.append($0) }
        _ = try await trainer.run()
        return recorder
    }

    @Test func everyRewardAndWhatItLogsIsInTheLineUnderTRLsNames() async throws {
        let recorder = try await talkativeRun(Talkative())
        let report = try #require(recorder.evaluations.last)
        // Lengths 1 to 4, two prompts a batch.
        var sampler = RepeatSampler(promptCount: 4, promptsPerGeneration: 1, shuffles: true, seed: 42)
        let lengths = sampler.nextEpoch().joined().map { Double($0 + 1) }
        let longest = (max(lengths[0], lengths[1]) + max(lengths[2], lengths[3])) / 2
        let record = report.record
        #expect(record["eval_rewards/talkative/mean"] == 2.5 && record["eval_rewards/parity/mean"] == 0.5)
        #expect(record["eval_reward"] == 3)
        #expect(record["eval_longest"] == longest && record["eval_epoch_seen"] == 0.25)
        #expect(report.loggedByRewards.map(\.name) == ["epoch_seen", "longest"])
        #expect(report.loggedByRewards.map(\.value) == [0.25, longest])
        // The order of TRL's `_metrics["eval"]`, without the short names of older versions.
        let names = record.entries.map(\.name).filter {
            $0.contains("reward") || $0.hasSuffix("seen") || $0.contains("long")
        }
        #expect(
            names.filter { !["eval_rewards/talkative", "eval_rewards/parity"].contains($0) } == [
                "eval_rewards/talkative/mean", "eval_rewards/talkative/std", "eval_rewards/parity/mean",
                "eval_rewards/parity/std", "eval_reward", "eval_reward_std", "eval_frac_reward_zero_std",
                "eval_epoch_seen",
                "eval_longest",
            ])
        // Training's own figures are its own.
        #expect(recorder.records.allSatisfy { $0["longest"] != nil && $0["eval_longest"] == nil })
        #expect(record.tensorBoardScalars.contains { $0.tag == "eval/longest" && $0.value == longest })
        #expect(record.tensorBoardScalars.contains { $0.tag == "eval/rewards/parity/mean" && $0.value == 0.5 })
    }

    @Test("Bad input 28: a reward that fails in an evaluation is counted there and told of")
    func failuresAreCounted() async throws {
        let recorder = try await talkativeRun(Talkative { $0 == 4 }) {
            $0.rewardFailure = .missing
            $0.evalOnStart = true
        }
        #expect(recorder.evaluations.first?.record["eval_rewards/talkative/failures"] == 0.5)
        #expect(recorder.evaluations.first?.record["eval_rewards/parity/failures"] == 0)
        #expect(recorder.warnings.first?.hasPrefix("the evaluation after step 0: reward 'talkative' failed") == true)
    }

    @Test func aRewardThatFailsNamesItself() async throws {
        let folder = try TemporaryFolder()
        let trainer = try trainer(
            configuration(folder), evaluation: GRPOTrainerTests.prompts(1),
            reward: TokenReward("fussy") { if $0.count == 3 { .infinity } else { 1 } })
        let error = await #expect(throws: TrainingError.self) { _ = try await trainer.run() }
        #expect(error?.code == .reward && error?.description.contains("fussy") == true)
    }
}

extension EventRecorder {
    var evaluations: [EvaluationReport] {
        events.compactMap { if case .evaluated(let report) = $0 { report } else { nil } }
    }
}

extension MetricsRecord {
    /// The values that do not depend on the clock.
    fileprivate var withoutTimes: [String: Double?] {
        let entries = entries.filter {
            !$0.name.hasPrefix("time/") && !$0.name.hasSuffix("_runtime") && !$0.name.hasSuffix("_per_second")
                && !$0.name.hasPrefix("memory/") && $0.name != "step_time"
        }
        return Dictionary(uniqueKeysWithValues: entries.map { ($0.name, $0.value) }).merging(
            ["step": Double(step)]) { old, _ in old }
    }
}
