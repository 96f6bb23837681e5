import ApusData
import ApusTensor
import ApusTestSupport
import Foundation
import Testing

@testable import ApusTrain

/// The best step of a run by an evaluation's metric: which it is, that its checkpoint stays, and that the run ends with it.
struct BestModelTests {
    /// What an evaluation's only prompt is answered with after 0, 1, 2, … optimizer steps: so many tokens.
    private static let lengths = [9, 2, 5, 3, 1]
    private static let evaluationPrompt: Int32 = 100

    func run(
        _ folder: TemporaryFolder, policy: FakePolicy = FakePolicy(), recorder: EventRecorder = EventRecorder(),
        _ change: (inout GRPOConfiguration) -> Void = { _ in }
    ) async throws -> TrainingOutcome {
        var configuration = GRPOTrainerTests.configuration(folder)
        configuration.output.saveStrategy = .steps
        configuration.output.saveSteps = 100
        configuration.optimizer.maxSteps = 4
        configuration.optimizer.learningRate = 0.05
        configuration.evalStrategy = .steps
        configuration.evalSteps = 1
        configuration.evalOnStart = true
        configuration.evalTemperature = 0
        configuration.loadBestModelAtEnd = true
        change(&configuration)
        let ordinary = policy.complete
        policy.complete = { [unowned policy] prompt, sample in
            guard prompt == [Self.evaluationPrompt] else { return ordinary(prompt, sample) }
            return FakePolicy.completion(Array(repeating: 7, count: Self.lengths[policy.optimizerSteps.count]))
        }
        let trainer = try GRPOTrainer(
            configuration: configuration, policy: policy, tokenizer: NumberTokenizer(),
            dataset: GRPOTrainerTests.prompts(8),
            evaluationDataset: Dataset(samples: [Sample(prompt: .text("\(Self.evaluationPrompt)"))]),
            rewards: [TokenReward("length") { Double($0.count) }])
        trainer.onEvent = { recorder.append($0) }
        return try await trainer.run()
    }

    private func trainerState(_ folder: TemporaryFolder, step: Int) throws -> [String: JSONValue] {
        let url = folder.url.appending(path: "checkpoint-\(step)/trainer_state.json")
        return try JSONDecoder().decode([String: JSONValue].self, from: Data(contentsOf: url))
    }

    private func checkpoints(_ folder: TemporaryFolder) -> [String] {
        folder.names.filter { $0.hasPrefix("checkpoint") }
    }

    @Test(arguments: [nil, 1, 2])
    func theBestStepIsSavedStaysAndIsWhatTheRunEndsWith(limit: Int?) async throws {
        let folder = try TemporaryFolder()
        let policy = FakePolicy()
        let recorder = EventRecorder()
        let outcome = try await run(folder, policy: policy, recorder: recorder) { $0.output.saveTotalLimit = limit }
        // Step 1 was the best when it came; the last step is saved as ever.
        #expect(
            checkpoints(folder)
                == (limit == nil
                    ? ["checkpoint-1", "checkpoint-2", "checkpoint-4"] : ["checkpoint-2", "checkpoint-4"]))
        #expect(outcome.bestCheckpoint.map { URL(filePath: $0).lastPathComponent } == "checkpoint-2")
        let saved = try String(
            contentsOf: folder.url.appending(path: "checkpoint-2/adapter_model.safetensors"), encoding: .utf8)
        #expect("\(policy.parameter)" == saved)
        #expect(recorder.notices.contains { $0.contains("eval_reward was best after step 2") })
        let state = try trainerState(folder, step: 4)
        #expect(state["best_metric"] == .number(5))
        #expect(state["best_model_checkpoint"]?.string?.hasSuffix("/checkpoint-2") == true)
        #expect(outcome.evaluations.best?.step == 2 && outcome.evaluations.best?.value == 5)
    }

    @Test(
        arguments: [
            ("reward", nil, 2), ("eval_reward", nil, 2), ("eval_completions/mean_length", false, 4), ("loss", nil, 1),
            ("reward", false, 4),
        ] as [(String, Bool?, Int)])
    func theMetricAndItsDirectionCanBeChosen(metric: String, greaterIsBetter: Bool?, step: Int) async throws {
        let outcome = try await run(try TemporaryFolder()) {
            $0.metricForBestModel = metric
            $0.greaterIsBetter = greaterIsBetter
        }
        // The model as the run began, whose answer is the longest, is no choice; equal values leave the first.
        #expect(outcome.evaluations.best?.step == step)
    }

    @Test func aMetricAloneIsNotedAndChangesNothing() async throws {
        let folder = try TemporaryFolder()
        let outcome = try await run(folder) {
            $0.loadBestModelAtEnd = false
            $0.metricForBestModel = "reward"
        }
        #expect(checkpoints(folder) == ["checkpoint-4"] && outcome.bestCheckpoint == nil)
        let state = try trainerState(folder, step: 4)
        #expect(state["best_metric"] == .number(5) && state["best_model_checkpoint"] == .null)
    }

    @Test(arguments: 1..<4)
    func aContinuedRunChoosesAsTheWholeRunDoes(from step: Int) async throws {
        let whole = try TemporaryFolder()
        let outcome = try await run(whole) { $0.output.saveSteps = 1 }
        let policy = FakePolicy()
        // The policy's answers follow the count of its steps.
        for _ in 0..<step {
            policy.optimizerSteps.append(
                AdamWStep(step: 0, learningRate: 0, beta1: 0, beta2: 0, epsilon: 0, weightDecay: 0))
        }
        let continued = try await run(whole, policy: policy) {
            $0.output.saveSteps = 1
            $0.output.resumeFromCheckpoint = whole.url.appending(path: "checkpoint-\(step)").path
        }
        #expect(continued.evaluations == outcome.evaluations)
        #expect(continued.bestCheckpoint == outcome.bestCheckpoint)
    }

    @Test func aMetricThatNobodyMeasuresIsRefusedWithThoseThatAreThere() async throws {
        let error = await #expect(throws: ConfigurationError.self) {
            try await run(try TemporaryFolder()) { $0.metricForBestModel = "eval_accuracy" }
        }
        #expect(error?.description.contains("metric_for_best_model") == true)
        #expect(error?.description.contains("eval_reward, ") == true)
    }

    @Test(
        arguments: [
            "eval_strategy": .string("no"), "save_strategy": .string("no"), "save_only_model": .bool(true),
            "num_generations_eval": .number(2), "metric_for_best_model": .string(""), "eval_temperature": .number(-1),
        ] as [String: JSONValue])
    func whatCannotWorkIsRefused(key: String, value: JSONValue) {
        var settings: [String: JSONValue] = [
            "load_best_model_at_end": .bool(true), "eval_strategy": .string("steps"), "eval_temperature": .number(0),
        ]
        #expect(throws: Never.self) { try GRPOConfiguration(settings: settings) }
        settings[key] = value
        #expect(throws: ConfigurationError.self) { try GRPOConfiguration(settings: settings) }
    }

    @Test func greedyEvaluationsAskOnceAndTheOthersAsTrainingDoes() throws {
        var configuration = GRPOConfiguration()
        configuration.numGenerations = 4
        #expect(try EvaluationPlan(configuration).groupSize == 4)
        configuration.evalTemperature = 0.5
        #expect(try EvaluationPlan(configuration).groupSize == 4)
        configuration.evalTemperature = 0
        #expect(try EvaluationPlan(configuration).groupSize == 1)
    }
}

extension BestModelTests {
    /// Evaluations give 2, 5, 3, 1: with patience 0 each worse one halves the rate.
    @Test func aPlateauOfEvaluationsBringsTheRateDown() async throws {
        let folder = try TemporaryFolder()
        let policy = FakePolicy()
        _ = try await run(folder, policy: policy) {
            $0.loadBestModelAtEnd = false
            $0.evalOnStart = false
            $0.optimizer.lrSchedulerType = .reduceOnPlateau
            $0.optimizer.lrSchedulerArguments.factor = 0.5
            $0.optimizer.lrSchedulerArguments.patience = 0
            $0.optimizer.maxSteps = 4
        }
        #expect(policy.optimizerSteps.map(\.learningRate) == [0.05, 0.05, 0.05, 0.025])
    }

    @Test func aPlateauNeedsEvaluations() {
        #expect(throws: ConfigurationError.self) {
            try GRPOConfiguration(settings: ["lr_scheduler_type": .string("reduce_lr_on_plateau")])
        }
        #expect(throws: ConfigurationError.self) {
            try SFTConfiguration(settings: ["lr_scheduler_type": .string("reduce_lr_on_plateau")])
        }
    }
}
