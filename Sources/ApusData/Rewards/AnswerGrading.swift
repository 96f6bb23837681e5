/// How a completion's answer is found and compared with the reference.
public enum AnswerGrading: String, Codable, Sendable, CaseIterable {
    /// The text between the last `<answer>` and the next `</answer>`, stripped, is the reference to the letter: what the
    /// tutorial's correctness reward pays for.
    case strict
    /// The answer counts however it is presented. Where the reference is a number, the last number inside the tags, or of the
    /// whole text where there are none, has to equal it (`1,080`, `$1080` and `1080.0` are one number). Other answers have
    /// to agree but for case, white space and a full stop at the end.
    case lenient

    /// Whether a completion gives the reference answer.
    public func isCorrect(_ completion: String, answer: String) -> Bool {
        let text = PythonText(completion)
        let wanted = PythonText(answer).stripped
        guard wanted.count > 0 else { return false }
        switch self {
        case .strict:
            return TaggedAnswer.extract(from: text, untagged: .empty) == wanted
        case .lenient:
            let given = TaggedAnswer.extract(from: text, untagged: .wholeText)
            if let number = DecimalText(wanted) { return DecimalText(lastIn: given) == number }
            return Self.folded(given) == Self.folded(wanted)
        }
    }

    private static func folded(_ text: PythonText) -> String {
        let words = text.codePoints.split(whereSeparator: \.isPythonSpace)
        var folded = words.map { String(String.UnicodeScalarView($0)).lowercased() }.joined(separator: " ")
        if folded.hasSuffix(".") { folded.removeLast() }
        return folded
    }
}

extension DecimalText {
    /// The last number in a text; nil when there is none.
    ///
    /// A number is a run of digits with commas and points inside, with a minus before it unless that follows a digit or a
    /// letter, where it subtracts: the last number of `12-5` is 5.
    init?(lastIn text: PythonText) {
        let scalars = text.codePoints
        var found: DecimalText?
        var index = scalars.startIndex
        while index < scalars.endIndex {
            guard scalars[index].isASCIIDigit else {
                index += 1
                continue
            }
            let start = index
            while index < scalars.endIndex, scalars[index].isASCIIDigit || ",.".unicodeScalars.contains(scalars[index])
            {
                index += 1
            }
            found = Self.number(in: scalars, start..<index) ?? found
        }
        guard let found else { return nil }
        self = found
    }

    private static func number(in scalars: ArraySlice<Unicode.Scalar>, _ range: Range<Int>) -> DecimalText? {
        let digits = scalars[range]
        let end = digits.lastIndex(where: \.isASCIIDigit).map { $0 + 1 } ?? range.upperBound
        var text = String(String.UnicodeScalarView(scalars[range.lowerBound..<end]))
        // A list such as "3,14,15" is no number with thousands commas: its last item counts.
        if DecimalText(PythonText(text)) == nil { text = text.split(separator: ",").last.map(String.init) ?? text }
        let isNegative = isMinus(before: range.lowerBound, in: scalars)
        return DecimalText(PythonText((isNegative ? "-" : "") + text))
    }

    private static func isMinus(before index: Int, in scalars: ArraySlice<Unicode.Scalar>) -> Bool {
        guard index > scalars.startIndex else { return false }
        if "$€£¥₹".unicodeScalars.contains(scalars[index - 1]) { return isMinus(before: index - 1, in: scalars) }
        guard scalars[index - 1] == "-" || scalars[index - 1] == "\u{2212}" else { return false }
        guard index - 1 > scalars.startIndex else { return true }
        let previous = scalars[index - 2].properties
        return previous.numericType == nil && !previous.isAlphabetic
    }
}

extension Unicode.Scalar {
    fileprivate var isASCIIDigit: Bool { ("0"..."9").contains(self) }
}
