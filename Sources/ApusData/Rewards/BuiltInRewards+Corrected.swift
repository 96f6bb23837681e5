extension BuiltInRewards {
    /// The tutorial's functions without their traps.
    static let corrected: [Reward] = [
        format("xml_count_trailing", countWithTrailingPenalty),
        format("soft_format_dotall") { text in
            TaggedFormat.matchesSoft(text, dot: .crossesLines, anchor: .anywhere) ? 0.5 : 0
        },
        format("strict_format_dotall") { text in
            TaggedFormat.matchesStrict(text, dot: .crossesLines) ? 0.5 : 0
        },
        format("integer_answer") { text in
            DecimalText(TaggedAnswer.extract(from: text, untagged: .empty))?.isInteger == true ? 0.5 : 0
        },
        // Does not apply to samples whose reference answer is no number.
        graded("numeric_answer") { text, answer in
            guard let wanted = DecimalText(answer) else { return nil }
            return DecimalText(TaggedAnswer.extract(from: text, untagged: .empty)) == wanted ? 2 : 0
        },
    ]

    /// The functions that only the demo's set has.
    static let demo: [Reward] = [
        format("soft_format_start") { text in
            TaggedFormat.matchesSoft(text, dot: .crossesLines, anchor: .start) ? 0.5 : 0
        },
        format("digits_or_untagged") { text in
            TaggedAnswer.extract(from: text, untagged: .wholeText).isDigits ? 0.5 : 0
        },
        graded("exact_or_untagged") { text, answer in
            TaggedAnswer.extract(from: text, untagged: .wholeText) == answer ? 2 : 0
        },
    ]

    /// 0.125 for each tag that stands once on a line of its own, less 0.001 for each character after the answer, so
    /// that ending the turn pays.
    private static func countWithTrailingPenalty(_ text: PythonText) -> Double {
        var score = 0.0
        if text.count("<reasoning>\n") == 1 { score += 0.125 }
        if text.count("\n</reasoning>\n") == 1 { score += 0.125 }
        if text.count("\n<answer>\n") == 1 {
            score += 0.125
            score -= Double(text.afterLast("\n</answer>\n").count) * 0.001
        }
        if text.count("\n</answer>") == 1 {
            score += 0.125
            score -= Double(text.afterLast("\n</answer>").count - 1) * 0.001
        }
        return score
    }
}
