import ApusData
import ApusModel
import ApusTestSupport
import Foundation
import Synchronization
import Testing

@testable import ApusTrain

@Suite struct SFTTrainerTests {
    private let folder = try? TemporaryFolder()
    private let learner = FakeLearner()

    /// Prompt 1, then the tokens; those in `masked` are not learnt.
    private func example(_ tokens: [Int32], masked: Set<Int> = []) -> TrainingExample {
        TrainingExample(prompt: [1], completion: tokens, isLearnt: tokens.indices.map { !masked.contains($0) })
    }

    private func run(
        _ examples: [TrainingExample], _ change: (inout SFTConfiguration) -> Void = { _ in }
    ) async throws -> [MetricsRecord] {
        var configuration = SFTConfiguration()
        configuration.output.outputDir = try #require(folder).url.appending(path: "out").path
        configuration.shuffleDataset = false
        configuration.output.loggingSteps = 1
        configuration.optimizer.maxSteps = 1
        change(&configuration)
        let trainer = try SFTTrainer(
            configuration: configuration, learner: learner, examples: examples, tokenizer: NoTokenizer())
        let records = Mutex<[MetricsRecord]>([])
        trainer.onEvent = { event in
            if case .logged(let record) = event { records.withLock { $0.append(record) } }
        }
        _ = try await trainer.run()
        return records.withLock { $0 }
    }

    @Test func aTokenThatTheEmbeddingHasNoRowForIsFoundBeforeTheFirstStep() async throws {
        learner.vocabularySize = 5
        let error = await #expect(throws: TrainingError.self) { try await run([example([2, 3]), example([2, 5])]) }
        #expect(error?.isBadInput == true)
        #expect(error?.description.hasPrefix("example 2 has token 5, the model's embedding has 5 rows") == true)
    }

    /// Token t costs t / 10: the mean is over all learnt tokens of the step, not over examples or micro-steps.
    @Test func theLossIsTheMeanOverTheTokensOfTheStep() async throws {
        let examples = [
            example([1, 2, 3]), example([40]), example([5, 60, 7, 8], masked: [1]), example([9, 10]),
        ]
        let record = try await run(examples) {
            $0.perDeviceTrainBatchSize = 2
            $0.gradientAccumulationSteps = 2
        }[0]
        let learnt = [1, 2, 3, 40, 5, 7, 8, 9, 10]
        let share = -1 / Float(learnt.count)
        #expect(abs((record["loss"] ?? 0) - 8.5 / 9) < 1e-6)
        #expect(abs((record["mean_token_accuracy"] ?? 0) - 4.0 / 9) < 1e-12)
        #expect(abs((record["entropy"] ?? 0) - 0.25) < 1e-12)
        #expect(record["num_tokens"] == 14)
        #expect(record["epoch"] == 1)
        #expect(record["grad_norm"] == 0.5)
        #expect(learner.batches.map(\.count) == [2, 2])
        #expect(
            learner.gradients == [[[share, share, share], [share]], [[share, 0, share, share], [share, share]]])
        #expect(learner.steps.count == 1)
    }

    @Test func metricsHaveTRLsNames() async throws {
        let names = try await run([example([2])])[0].entries.map(\.name)
        #expect(
            names == [
                "loss", "grad_norm", "learning_rate", "entropy", "num_tokens", "mean_token_accuracy", "epoch",
            ])
    }

    @Test func theLastStepOfAPassIsSmaller() async throws {
        let records = try await run([2, 4, 6].map { example([$0]) }) {
            $0.perDeviceTrainBatchSize = 2
            $0.optimizer.maxSteps = -1
            $0.optimizer.numTrainEpochs = 2
        }
        #expect(records.map { ($0["loss"] ?? 0) * 10 }.map { $0.rounded() } == [3, 6, 3, 6])
        #expect(records.compactMap { $0["epoch"] }.map { ($0 * 3).rounded() } == [2, 3, 5, 6])
        #expect(learner.saves == 1)
    }

    @Test func everyPassHasItsOwnOrderAndEveryExampleOnce() async throws {
        _ = try await run((2..<12).map { example([$0]) }) {
            $0.shuffleDataset = true
            $0.perDeviceTrainBatchSize = 10
            $0.optimizer.maxSteps = 2
        }
        let passes = learner.batches.map { $0.map { $0.completions[0][0] } }
        #expect(passes[0] != passes[1])
        #expect(passes.allSatisfy { $0.sorted() == Array(2..<12) })
    }

    @Test func packsCountAsOne() async throws {
        _ = try await run([4, 5, 3, 6, 2].map { example([Int32](repeating: 2, count: $0 - 1)) }) {
            $0.packing = true
            $0.maxLength = 10
            $0.perDeviceTrainBatchSize = 2
        }
        #expect(learner.batches.map { $0.map { $0.completions[0].count + 1 } } == [[6, 4, 5, 3, 2]])
    }

    @Test("Bad input 24: sequences longer than the limit are cut, counted, and said")
    func longSequences() throws {
        var configuration = SFTConfiguration()
        configuration.maxLength = 4
        let long = TrainingExample(
            prompt: [1, 1, 1, 1], completion: [2, 2], isLearnt: [true, true])
        let trainer = try SFTTrainer(
            configuration: configuration, learner: learner, examples: [example([2, 3, 4, 5, 6]), long, example([2])],
            tokenizer: NoTokenizer())
        #expect(trainer.step.examples == [example([2, 3, 4]), example([2])])
        #expect(trainer.notices.count == 1)
        #expect(trainer.notices[0].contains("2 of 3") && trainer.notices[0].contains("1 are left out"))
        #expect(throws: TrainingError.self) {
            try SFTTrainer(
                configuration: configuration, learner: learner, examples: [long], tokenizer: NoTokenizer())
        }
    }

    @Test("Bad input 33: steps that are not finite are skipped, three in a row end the run")
    func notFinite() async throws {
        learner.norm = .nan
        let error = await #expect(throws: TrainingError.self) {
            try await run([example([2])]) { $0.optimizer.maxSteps = 9 }
        }
        #expect(error?.code == .notFinite)
        #expect(learner.steps.isEmpty)
        #expect(learner.batches.count == 3)
    }

    @Test func theCheckpointHoldsTRLsState() async throws {
        _ = try await run([example([2])]) { $0.optimizer.maxSteps = 3 }
        let checkpoint = try #require(folder).url.appending(path: "out/checkpoint-3/trainer_state.json")
        let state = try JSONDecoder().decode([String: JSONValue].self, from: Data(contentsOf: checkpoint))
        #expect(state["global_step"] == 3.0)
        #expect(state["log_history"]?.array?.count == 3)
    }
}

/// Has no files.
struct NoTokenizer: PromptTokenizer {
    func tokens(of sample: Sample) throws -> [Int32] { [1] }
    func text(of completion: [Int32]) -> String { "" }
    func save(to directory: URL) throws {}
}
