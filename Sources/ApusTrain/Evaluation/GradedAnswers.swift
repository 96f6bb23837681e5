public import ApusData

/// Which of a model's answers to problems are right, and how long they are: what is kept of an evaluation without its texts.
public struct GradedAnswers: Codable, Sendable, Equatable {
    /// `[problem][completion]`.
    private let strict: [[Bool]]
    private let lenient: [[Bool]]
    /// Mean length of the completions in tokens.
    public let meanLength: Double
    /// Share of the completions that were cut at the longest length.
    public let truncatedShare: Double

    private enum CodingKeys: String, CodingKey {
        case strict, lenient
        case meanLength = "mean_length"
        case truncatedShare = "truncated_share"
    }

    /// Grades completions.
    /// - Parameters:
    ///   - texts: `[problem][completion]`.
    ///   - references: the reference answer of each problem.
    public init(_ texts: [[String]], references: [String], meanLength: Double, truncatedShare: Double) {
        func grades(_ grading: AnswerGrading) -> [[Bool]] {
            zip(texts, references).map { texts, answer in texts.map { grading.isCorrect($0, answer: answer) } }
        }
        strict = grades(.strict)
        lenient = grades(.lenient)
        self.meanLength = meanLength
        self.truncatedShare = truncatedShare
    }

    /// How many problems were asked.
    public var problemCount: Int { strict.count }

    /// `[problem][completion]`: whether each is right.
    public func isCorrect(_ grading: AnswerGrading) -> [[Bool]] {
        switch grading {
        case .strict: strict
        case .lenient: lenient
        }
    }

    /// The share of right answers; `nil` when nothing was asked.
    public func accuracy(_ grading: AnswerGrading) -> Accuracy? { Accuracy(isCorrect(grading)) }

    /// How much the accuracy changed since `before`, which asked the same problems in the same order; `nil` below two problems
    /// or with others.
    public func change(since before: GradedAnswers, _ grading: AnswerGrading) -> AccuracyChange? {
        guard before.problemCount == problemCount else { return nil }
        return AccuracyChange(before: before.isCorrect(grading), after: isCorrect(grading))
    }
}
