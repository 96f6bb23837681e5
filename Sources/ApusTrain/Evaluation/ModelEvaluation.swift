public import ApusData
public import ApusGeneration
public import ApusModel
import ApusText

/// What a model answered to a data set of problems with reference answers, graded.
///
/// This is evaluation on its own; within a run ``GRPOTrainer/evaluate()`` measures rewards too.
public struct ModelEvaluation: Sendable {
    /// One completion.
    public struct Answer: Sendable, Equatable {
        /// The completion's text, without special tokens.
        public var text: String
        /// Its length in tokens, the end token included.
        public var tokenCount: Int
        /// Whether it was cut at the longest length.
        public var isTruncated: Bool
    }

    /// What was asked.
    public let samples: [Sample]
    /// `[sample][completion]`.
    public let answers: [[Answer]]
    /// Which of them are right, and how long they are.
    public let grades: GradedAnswers

    /// Samples completions of every prompt and grades them.
    ///
    /// The same model, samples and sampling parameters give the same answers. With and without an adapter the same random
    /// numbers are drawn, so a difference is the adapter's doing.
    /// - Parameters:
    ///   - samples: prompts with the reference answer as text in column `answer`.
    ///   - completions: how many completions of each prompt.
    ///   - memory: what keys and values may take.
    ///   - progress: told how many completions are done, of all.
    /// - Throws: ``TrainingError`` for a sample without a prompt or an answer; what `GenerationEngine.generate` throws.
    public init(
        of model: LanguageModel, adapter: LoRAAdapter?, on samples: [Sample], completions: Int = 1,
        sampling: SamplingParameters, memory: MemoryBudget = MemoryBudget(),
        progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
    ) throws {
        var requests: [GenerationRequest] = []
        var references: [String] = []
        for (index, sample) in samples.enumerated() {
            references.append(try Self.reference(of: sample, number: index + 1))
            let prompt = try Self.tokens(of: sample, number: index + 1, model.tokenizer)
            requests.append(
                GenerationRequest(prompt: prompt, completions: completions, firstSample: index * completions))
        }
        let engine = GenerationEngine(model: model, adapter: adapter, memory: memory)
        let total = samples.count * completions
        let generated = try withoutActuallyEscaping(progress) { progress in
            var done = 0
            return try engine.generate(requests, sampling: sampling) { heard in
                if heard.finishReason != nil {
                    done += 1
                    progress(done, total)
                }
                return true
            }
        }
        self.samples = samples
        answers = generated.map { completions in
            completions.map {
                Answer(
                    text: model.tokenizer.text(of: $0.tokens), tokenCount: $0.tokens.count,
                    isTruncated: $0.isTruncated)
            }
        }
        let all = answers.joined()
        grades = GradedAnswers(
            answers.map { $0.map(\.text) }, references: references, meanLength: all.map { Double($0.tokenCount) }.mean,
            truncatedShare: all.map { $0.isTruncated ? 1 : 0 }.mean)
    }

    private static func reference(of sample: Sample, number: Int) throws(TrainingError) -> String {
        if let answer = sample.columns["answer"]?.answerText { return answer }
        throw TrainingError(
            .prompt,
            "problem \(number): wanted a reference answer as text, found none; name its column with answer_column")
    }

    private static func tokens(
        of sample: Sample, number: Int, _ tokenizer: Tokenizer
    ) throws(TrainingError) -> [Int32] {
        do {
            return try tokenizer.tokens(of: sample)
        } catch {
            throw TrainingError(.prompt, "problem \(number) cannot be turned into tokens: \(error)")
        }
    }
}
