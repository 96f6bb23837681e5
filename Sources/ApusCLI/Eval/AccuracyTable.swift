import Apus

/// Accuracy before and after in at most 80 columns, with intervals: what `apus eval` and the end of a run show.
struct AccuracyTable {
    let before: GradedAnswers
    /// `nil` when one model alone was asked.
    let after: GradedAnswers?
    /// What the columns are called.
    var beforeName = "before"
    var afterName = "after"

    /// The table and a line on what is in brackets.
    var text: String {
        let columns = [before] + (after.map { [$0] } ?? [])
        var table = TextTable(head: after == nil ? ["", "accuracy"] : ["", beforeName, afterName, "change"])
        for grading in AnswerGrading.allCases {
            table.add(
                [grading.rawValue] + columns.map { Self.text(of: $0.accuracy(grading)) }
                    + (after?.change(since: before, grading).map { [Self.text(of: $0)] } ?? []))
        }
        table.add(["tokens"] + columns.map { fixed($0.meanLength, 1) })
        table.add(["cut short"] + columns.map { percentage($0.truncatedShare) })
        let ofChange = after == nil ? "" : "; change: of paired differences"
        return "\(table)\nin brackets: 95 % intervals (Wilson's\(ofChange))"
    }

    /// What the change of lenient accuracy means, in one line.
    var verdict: String {
        guard let change = after?.change(since: before, .lenient) else { return "" }
        if change.interval.lowerBound > 0 { return "more answers are right than before, by more than chance explains" }
        if change.interval.upperBound < 0 {
            return "fewer answers are right than before: the rewards pay for something else (docs/watching.md)"
        }
        return "whether more answers are right than before cannot be told from \(before.problemCount) problems: train "
            + "longer, or raise eval_size"
    }

    private static func text(of accuracy: Accuracy?) -> String {
        guard let accuracy else { return "" }
        return "\(percentage(accuracy.value)) (\(range(accuracy.interval)))"
    }

    private static func text(of change: AccuracyChange) -> String {
        let sign = change.value < 0 ? "" : "+"
        return "\(sign)\(fixed(change.value * 100, 1)) (\(range(change.interval)))"
    }

    private static func range(_ interval: ClosedRange<Double>) -> String {
        "\(fixed(interval.lowerBound * 100, 1)) to \(fixed(interval.upperBound * 100, 1))"
    }
}
