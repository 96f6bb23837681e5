/// Where in a completion the answer stands.
struct AnswerExtractor: Sendable {
    enum Place: String, CaseIterable {
        /// Between the last opening tag and the closing tag after it.
        case tag
        /// In the last `\boxed{…}`, as mathematical data sets have it.
        case boxed
        /// The last number in the text.
        case lastNumber = "last_number"
        /// The text after the last `####`.
        case hashes
        /// The whole text.
        case text
    }

    let place: Place
    let tag: String

    init(_ parameters: inout RewardParameters) throws(RewardParameterError) {
        place = try parameters.choice("extract", Place.self) ?? .tag
        let tag = try parameters.text("tag")
        if tag != nil, place != .tag { throw RewardParameterError("tag is given, but extract is \(place.rawValue)") }
        self.tag = tag ?? "answer"
    }

    /// The answer without white space around it; nil where there is none.
    func answer(in text: PythonText) -> PythonText? {
        switch place {
        case .tag:
            guard text.contains("<\(tag)>") else { return nil }
            return text.afterLast("<\(tag)>").beforeFirst("</\(tag)>").stripped
        case .hashes: return text.contains("####") ? text.afterLast("####").stripped : nil
        case .boxed: return Self.boxed(in: text)
        case .lastNumber: return Self.lastNumber(in: text)
        case .text: return text.stripped
        }
    }

    /// What the last `\boxed{…}` holds; nil where there is none, or nothing closes it.
    static func boxed(in text: PythonText) -> PythonText? {
        text.contains("\\boxed{") ? braced(text.afterLast("\\boxed{")) : nil
    }

    /// The text up to the brace that closes the one before it; nil when none does.
    private static func braced(_ text: PythonText) -> PythonText? {
        var depth = 1
        for (count, scalar) in text.codePoints.enumerated() {
            if scalar == "{" { depth += 1 }
            if scalar == "}" { depth -= 1 }
            if depth == 0 {
                return PythonText(String(String.UnicodeScalarView(text.codePoints.prefix(count)))).stripped
            }
        }
        return nil
    }

    /// The last run of digits, points and commas with its sign, without a point or comma that ends it.
    static func lastNumber(in text: PythonText) -> PythonText? {
        func isDigit(_ scalar: Unicode.Scalar) -> Bool { ("0"..."9").contains(scalar) }
        let scalars = text.codePoints
        guard let end = scalars.lastIndex(where: isDigit) else { return nil }
        var start = end
        while start > scalars.startIndex,
            isDigit(scalars[start - 1]) || ".,".unicodeScalars.contains(scalars[start - 1])
        {
            start -= 1
        }
        while !isDigit(scalars[start]) { start += 1 }
        if start > scalars.startIndex, ["-", "\u{2212}"].contains(scalars[start - 1]) {
            // In "2-1" it is no sign.
            let before = start - 1 > scalars.startIndex ? scalars[start - 2] : " "
            if !before.properties.isAlphabetic, !isDigit(before), before != ")" { start -= 1 }
        }
        return PythonText(String(String.UnicodeScalarView(scalars[start...end])))
    }
}
