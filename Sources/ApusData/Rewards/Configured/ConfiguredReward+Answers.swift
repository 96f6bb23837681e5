extension ConfiguredReward {
    /// What does not count when two answers are compared.
    enum Normalization: String, CaseIterable {
        /// White space at the ends, and its amount between words.
        case space
        /// Upper and lower case.
        case letterCase = "case"
        /// Everything but letters, digits, and the signs of a number.
        case punctuation
        /// Thousands commas, currency signs and a full stop at the end, in answers that are numbers.
        case numbers

        func apply(_ text: String) -> String {
            switch self {
            case .space: return text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
            case .letterCase: return text.lowercased()
            case .punctuation:
                return String(
                    String.UnicodeScalarView(
                        text.unicodeScalars.filter { scalar in
                            scalar.properties.isAlphabetic || scalar.properties.numericType != nil
                                || scalar.properties.isWhitespace || "+-./".unicodeScalars.contains(scalar)
                        }))
            case .numbers: return DecimalText(PythonText(text))?.spelling ?? text
            }
        }
    }

    static func exact(
        _ label: String, _ parameters: inout RewardParameters
    ) throws(RewardParameterError) -> any RewardFunction {
        let scores = try Scores(&parameters)
        let extractor = try AnswerExtractor(&parameters)
        let column = try parameters.text("column") ?? "answer"
        let steps = try parameters.choices("normalize", Normalization.self) ?? [.space, .letterCase]
        @Sendable func normalized(_ text: String) -> String { steps.reduce(text) { $1.apply($0) } }
        return Reward(label, aim: scores.aim(.answer)) { completion, columns in
            let reference = try Self.reference(column, columns)
            guard let answer = extractor.answer(in: PythonText(completion)) else { return scores.otherwise }
            // Code points, not Swift's canonical equivalence: normalisation is what the list says and no more.
            let isEqual = normalized(answer.string).unicodeScalars.elementsEqual(normalized(reference).unicodeScalars)
            return scores.of(isEqual)
        }
    }

    static func numeric(
        _ label: String, _ parameters: inout RewardParameters
    ) throws(RewardParameterError) -> any RewardFunction {
        let scores = try Scores(&parameters)
        let extractor = try AnswerExtractor(&parameters)
        let column = try parameters.text("column") ?? "answer"
        let absolute = try parameters.size("tolerance") ?? 0
        let relative = try parameters.size("relative_tolerance") ?? 0
        return Reward(label, aim: scores.aim(.answer)) { completion, columns in
            // Does not apply where the reference is no number.
            guard let wanted = DecimalText(PythonText(try Self.reference(column, columns))) else { return nil }
            guard let answer = extractor.answer(in: PythonText(completion)), let found = DecimalText(answer) else {
                return scores.otherwise
            }
            let allowed = max(absolute, relative * abs(wanted.value))
            // Different numbers may be one double, so that doubles count only where a difference is allowed.
            return scores.of(found == wanted || allowed > 0 && abs(found.value - wanted.value) <= allowed)
        }
    }

    private static func reference(_ column: String, _ columns: [String: JSONValue]) throws -> String {
        guard let text = columns[column]?.answerText else { throw ColumnError(wanted: column, found: columns) }
        return text
    }
}
