import ApusData
import ApusTestSupport
import ApusText
import Foundation
import Testing

@testable import ApusTrain

/// What becomes of prompts before the first step.
struct PromptTests {
    private let folder: TemporaryFolder
    private let recorder = EventRecorder()
    private let policy = FakePolicy()

    init() throws {
        folder = try TemporaryFolder()
    }

    /// Prompts of 4, 2 and 3 tokens.
    private let lengths = Dataset(
        samples: ["1 2 3 4", "5 6", "7 8 9"].map { Sample(prompt: .text($0), columns: [:]) })

    private func trainer(
        _ dataset: Dataset, evaluation: Dataset? = nil, tokenizer: any PromptTokenizer = NumberTokenizer(),
        _ change: (inout GRPOConfiguration) -> Void
    ) throws -> GRPOTrainer {
        var configuration = GRPOTrainerTests.configuration(folder)
        configuration.optimizer.maxSteps = dataset.count
        configuration.output.outputDir = folder.url.appending(path: "run").path
        if evaluation != nil { configuration.evalStrategy = .steps }
        change(&configuration)
        let trainer = try GRPOTrainer(
            configuration: configuration, policy: policy, tokenizer: tokenizer, dataset: dataset,
            evaluationDataset: evaluation, rewards: [GRPOTrainerTests.parity])
        trainer.onEvent = { [recorder] in recorder.append($0) }
        return trainer
    }

    private func refusal(_ trainer: GRPOTrainer) async -> String {
        let error = await #expect(throws: TrainingError.self) { try await trainer.run() }
        #expect(error?.isBadInput == true && folder.names.isEmpty)
        return error?.description ?? ""
    }

    @Test("Bad input 24: prompts over max_prompt_length keep their last tokens, and a line counts them")
    func cut() async throws {
        let trainer = try trainer(lengths, evaluation: lengths) { $0.maxPromptLength = 2 }
        _ = try await trainer.run()
        #expect(trainer.step.promptTokens == [0: [3, 4], 1: [5, 6], 2: [8, 9]])
        #expect(trainer.evaluator?.promptTokens == [0: [3, 4], 1: [5, 6], 2: [8, 9]])
        let ending =
            " longer than max_prompt_length 2: they lose their first tokens, the system prompt before all else "
        #expect(
            recorder.warnings == [
                "2 of 3 prompts are" + ending + "(see overlong_prompts)",
                "2 of 3 evaluation prompts are" + ending + "(see overlong_prompts)",
            ])
    }

    @Test("A share of the prompts decides on their longest length, as numpy.quantile gives it")
    func quantile() async throws {
        #expect(PromptQuantile.length(0.9, of: [4, 2, 3]) == 3)
        #expect(PromptQuantile.length(0.9, of: Array(1...101)) == 91)
        #expect(PromptQuantile.length(1, of: [5, 9, 7]) == 9 && PromptQuantile.length(0.5, of: [8]) == 8)
        let trainer = try trainer(lengths) { configuration in
            configuration.maxPromptQuantile = 0.6
            configuration.optimizer.maxSteps = 2
        }
        _ = try await trainer.run()
        #expect(trainer.configuration.maxPromptLength == 3 && trainer.step.dataset.count == 2)
        #expect(recorder.warnings.first == "max_prompt_length is 3, which 60.0 % of the prompts do not exceed")
    }

    @Test("Bad input 24: with overlong_prompts drop they are left out, and a line counts them")
    func drop() async throws {
        let trainer = try trainer(lengths, evaluation: lengths) {
            $0.maxPromptLength = 3
            $0.overlongPrompts = .drop
        }
        #expect(trainer.plan.prompts == 2)
        _ = try await trainer.run()
        #expect(trainer.step.promptTokens == [0: [5, 6], 1: [7, 8, 9]])
        #expect(trainer.evaluator?.promptTokens == [0: [5, 6], 1: [7, 8, 9]])
        #expect(
            recorder.warnings
                == ["the data set", "the evaluation data"].map {
                    "1 of 3 prompts of \($0) are left out: they are longer than the 3 tokens that max_prompt_length allows"
                })
    }

    @Test("Bad input 24: drop counts the room that the context leaves beside a completion")
    func dropByContext() async throws {
        policy.contextLength = 12
        let trainer = try trainer(lengths) {
            $0.maxCompletionLength = 10
            $0.overlongPrompts = .drop
        }
        _ = try await trainer.run()
        #expect(trainer.step.promptTokens == [0: [5, 6]])
        #expect(
            recorder.warnings == [
                "2 of 3 prompts of the data set are left out: they are longer than the 2 tokens that the model's context of 12 "
                    + "leaves beside max_completion_length 10"
            ])
    }

    @Test("Bad input 24: with overlong_prompts error the run does not begin")
    func error() async throws {
        let trainer = try trainer(lengths) {
            $0.maxPromptLength = 3
            $0.overlongPrompts = .error
        }
        #expect(
            await refusal(trainer)
                == "prompt 1 of the data set has 4 tokens, max_prompt_length is 3: raise it, shorten the prompt, or set "
                + "overlong_prompts to drop or cut")
    }

    @Test("Bad input 24: a prompt that leaves no room in the context is an error unless it is dropped")
    func context() async throws {
        policy.contextLength = 13
        let trainer = try trainer(lengths) { $0.maxCompletionLength = 10 }
        #expect(await refusal(trainer).contains("prompt 1 of the data set has 4 tokens, with max_completion_length 10"))
    }

    @Test("Bad input 24: a token that the embedding has no row for is found before the first step")
    func tokenBeyondTheEmbedding() async throws {
        policy.vocabularySize = 6
        let trainer = try trainer(lengths) { _ in }
        let message = await refusal(trainer)
        #expect(message.contains("of the data set has token 6, the model's embedding has 6 rows"), "\(message)")
    }

    @Test("Bad input 22: when every prompt is dropped the message says how many there were, and why")
    func nothingLeft() throws {
        let error = #expect(throws: TrainingError.self) {
            try trainer(lengths) {
                $0.maxPromptLength = 1
                $0.overlongPrompts = .drop
            }
        }
        #expect(error?.isBadInput == true && folder.names.isEmpty)
        #expect(
            error?.description
                == "the data set: 0 of 3 rows are left: every prompt is longer than the 1 tokens that max_prompt_length "
                + "allows; the shortest has 2: raise the limit, shorten the prompts or set overlong_prompts to cut")
    }

    @Test("Bad input 21: prompts that bring along the token that begins every text get one, and one warning says so")
    func repeatedBeginning() async throws {
        let tokenizer = try Tokenizer(directory: Fixture.url("text/llama3"))
        let texts = ["What is 1+1?", "<|begin_of_text|>What is 1+1?", "<|begin_of_text|>2"]
        let dataset = Dataset(samples: texts.map { Sample(prompt: .text($0), columns: [:]) })
        let trainer = try trainer(dataset, evaluation: dataset, tokenizer: tokenizer) { _ in }
        _ = try await trainer.run()
        #expect(trainer.step.promptTokens[0] == tokenizer.encode(texts[0]))
        #expect(trainer.step.promptTokens[1] == trainer.step.promptTokens[0])
        #expect(trainer.step.promptTokens[2] == tokenizer.encode("2"))
        #expect(trainer.evaluator?.promptTokens?[1] == trainer.step.promptTokens[0])
        #expect(recorder.warnings.count == 1)
        #expect(
            recorder.warnings.first?.hasPrefix("prompt 2 of the data set begins with <|begin_of_text|>, which") == true)
    }
}
