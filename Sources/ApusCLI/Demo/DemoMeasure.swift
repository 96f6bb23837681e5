import Apus

/// What the demo says of one evaluation.
struct DemoMeasure {
    /// One answer to one problem.
    struct Answer {
        var text: String
        var isRight: Bool
        var showsWorking: Bool
    }

    /// Optimizer steps before it.
    let step: Int
    /// Mean of the summed rewards.
    let reward: Double
    /// `[problem][completion]`.
    let answers: [[Answer]]
    let questions: [String]

    init(_ report: EvaluationReport) {
        step = report.step
        reward = report.record["eval_reward"] ?? .nan
        questions = report.samples.map { $0.columns["question"]?.string ?? "" }
        answers = zip(report.samples, report.completions).map { sample, texts in
            let reference = sample.columns["answer"]?.answerText ?? ""
            return texts.map { text in
                Answer(
                    text: text, isRight: AnswerGrading.strict.isCorrect(text, answer: reference),
                    showsWorking: Self.showsWorking(text))
            }
        }
    }

    /// Share of right answers.
    var accuracy: Double { Self.share(answers.joined()) { $0.isRight } }
    /// Share of answers with working.
    var working: Double { Self.share(answers.joined()) { $0.showsWorking } }
    /// Share of right answers among those with working, or without.
    func accuracy(showingWorking: Bool) -> Double {
        Self.share(answers.joined().filter { $0.showsWorking == showingWorking }) { $0.isRight }
    }

    /// Whether the reasoning holds an equation: an answer in the head reads "It is 117.", so reasoning alone is no working.
    static func showsWorking(_ text: String) -> Bool {
        guard let start = text.firstRange(of: "<reasoning>") else { return false }
        let rest = text[start.upperBound...]
        return rest[..<(rest.firstRange(of: "</reasoning>")?.lowerBound ?? rest.endIndex)].contains("=")
    }

    /// A problem whose first answer was wrong and in the head before, and is right and worked out after: the one with the
    /// longest working, since several steps show best what was learnt. A guess of half a character reads like a fault of the
    /// display, so it is no example.
    static func example(before: DemoMeasure, after: DemoMeasure) -> (question: String, before: String, after: String)? {
        let candidates = before.answers.indices.filter { index in
            guard let first = before.answers[index].first, let last = after.answers[index].first else { return false }
            return !first.isRight && !first.showsWorking && !first.text.contains("\u{FFFD}")
                && last.isRight && last.showsWorking
        }
        let best = candidates.max { after.answers[$0][0].text.count < after.answers[$1][0].text.count }
        return best.map { (before.questions[$0], before.answers[$0][0].text, after.answers[$0][0].text) }
    }

    private static func share(_ answers: some Sequence<Answer>, _ holds: (Answer) -> Bool) -> Double {
        var (count, held) = (0, 0)
        for answer in answers {
            count += 1
            held += holds(answer) ? 1 : 0
        }
        return count == 0 ? 0 : Double(held) / Double(count)
    }
}
