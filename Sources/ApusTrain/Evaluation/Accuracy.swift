import Foundation

/// The share of right answers in a sample of problems, with its uncertainty.
///
/// Completions of one problem stand or fall together, so they say less than as many completions of different problems. The
/// interval is Wilson's for the number of independent answers that would be as uncertain as these are (the effective sample
/// size of Korn and Graubard, "Confidence intervals for proportions with small expected number of positive counts estimated
/// from survey data", 1998). With one completion a problem it is Wilson's interval as it stands.
public struct Accuracy: Sendable, Equatable {
    /// The share of right answers, from 0 to 1.
    public let value: Double
    /// Where the share over all problems of this kind lies, with a confidence of 95 %.
    public let interval: ClosedRange<Double>
    /// Problems that were asked.
    public let problems: Int
    /// Answers that were graded.
    public let answers: Int

    /// The 97.5 % point of the normal distribution: 95 % lie within.
    static let quantile = 1.959963984540054

    /// Measures graded answers.
    /// - Parameter isCorrect: `[problem][completion]`; problems without a completion are left out.
    /// - Returns: `nil` when there is no answer at all.
    public init?(_ isCorrect: [[Bool]]) {
        let groups = isCorrect.filter { !$0.isEmpty }
        guard !groups.isEmpty else { return nil }
        problems = groups.count
        answers = groups.reduce(0) { $0 + $1.count }
        let right = groups.reduce(0) { $0 + $1.count { $0 } }
        value = Double(right) / Double(answers)
        interval = Self.wilson(value, count: Self.effectiveCount(groups, share: value, answers: answers))
    }

    /// Wilson's score interval for a share observed in `count` independent answers.
    static func wilson(_ share: Double, count: Double) -> ClosedRange<Double> {
        let z2 = quantile * quantile
        let centre = (share + z2 / (2 * count)) / (1 + z2 / count)
        let half =
            quantile / (1 + z2 / count) * (share * (1 - share) / count + z2 / (4 * count * count)).squareRoot()
        // At 0 and 1 the formula gives these bounds but for rounding.
        let low = share == 0 ? 0 : max(0, centre - half)
        let high = share == 1 ? 1 : min(1, centre + half)
        return low...high
    }

    /// The number of independent answers with this sample's variance: no fewer than problems, no more than answers.
    private static func effectiveCount(_ groups: [[Bool]], share: Double, answers: Int) -> Double {
        let problems = Double(groups.count)
        guard groups.count > 1, answers > groups.count else { return problems }
        let perProblem = Double(answers) / problems
        let squares = groups.reduce(0.0) { sum, group in
            let residual = Double(group.count { $0 }) - share * Double(group.count)
            return sum + residual * residual
        }
        let variance = squares / (perProblem * perProblem) / (problems * (problems - 1))
        guard variance > 0 else { return problems }
        return min(max(share * (1 - share) / variance, problems), Double(answers))
    }
}

/// How much an accuracy changed, from answers to the same problems.
public struct AccuracyChange: Sendable, Equatable {
    /// The difference of the shares, from -1 to 1.
    public let value: Double
    /// Where the difference over all problems of this kind lies, with a confidence of 95 % (the normal interval of paired
    /// differences).
    public let interval: ClosedRange<Double>

    /// Compares graded answers problem by problem.
    /// - Parameters: `[problem][completion]` each, in the same order of problems.
    /// - Returns: `nil` below two problems that both sides answered.
    public init?(before: [[Bool]], after: [[Bool]]) {
        let pairs = zip(before, after).filter { !$0.isEmpty && !$1.isEmpty }
        guard pairs.count > 1 else { return nil }
        let differences = pairs.map { Self.share($1) - Self.share($0) }
        value = differences.mean
        let half = Accuracy.quantile * differences.std / Double(differences.count).squareRoot()
        interval = max(-1, value - half)...min(1, value + half)
    }

    private static func share(_ answers: [Bool]) -> Double {
        Double(answers.count { $0 }) / Double(answers.count)
    }
}
