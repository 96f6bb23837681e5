import Apus
import Foundation

/// The answers of an evaluation in a file, one problem a line, for whoever wants to read them.
enum EvalAnswers {
    private struct Answer: Encodable {
        var text: String
        var tokens: Int
        var strict: Bool
        var lenient: Bool
    }

    private struct Row: Encodable {
        var problem: Int
        var prompt: String
        var answer: String
        var before: [Answer]?
        var after: [Answer]?
    }

    /// Writes the file whole or not at all.
    ///
    /// - Throws: `CommandFailure` with status 3 when it cannot be written.
    static func write(
        _ samples: [Sample], before: ModelEvaluation?, after: ModelEvaluation?, to path: String
    ) throws {
        let lines = try samples.enumerated().map { index, sample in
            try JSONLine.encode(
                Row(
                    problem: index + 1, prompt: text(of: sample.prompt),
                    answer: sample.columns["answer"]?.answerText ?? "",
                    before: before.map { answers($0, index) }, after: after.map { answers($0, index) }))
        }
        do {
            try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: URL(filePath: path), options: .atomic)
        } catch {
            throw CommandFailure(
                .runFailed, "--output: cannot write \(path): \(error.localizedDescription); choose another file")
        }
    }

    private static func answers(_ evaluation: ModelEvaluation, _ problem: Int) -> [Answer] {
        let strict = evaluation.grades.isCorrect(.strict)[problem]
        let lenient = evaluation.grades.isCorrect(.lenient)[problem]
        return evaluation.answers[problem].enumerated().map { index, answer in
            Answer(text: answer.text, tokens: answer.tokenCount, strict: strict[index], lenient: lenient[index])
        }
    }

    /// The last message, which is the question.
    private static func text(of prompt: Prompt) -> String {
        switch prompt {
        case .text(let text): text
        case .messages(let messages): messages.last?.content ?? ""
        }
    }
}
