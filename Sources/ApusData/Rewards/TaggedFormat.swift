/// The `<reasoning>…</reasoning> <answer>…</answer>` layout and the ways to match it.
///
/// The matchers decide exactly what Python's `re` decides for the patterns named on them, in one pass and without a
/// regular expression engine, whose `.`, `\s` and `$` differ from Python's.
enum TaggedFormat {
    /// What `.` in the pattern matches.
    enum Dot {
        /// Everything but a line feed: a pattern without flags.
        case staysOnLine
        /// Everything: `re.DOTALL`.
        case crossesLines
    }

    /// Where a match may begin.
    enum Anchor {
        /// Anywhere: `re.search`.
        case anywhere
        /// At the first character only: `re.match`.
        case start
    }

    private static let openReasoning = Array("<reasoning>".unicodeScalars)
    private static let closeReasoning = Array("</reasoning>".unicodeScalars)
    private static let openAnswer = Array("<answer>".unicodeScalars)
    private static let closeAnswer = Array("</answer>".unicodeScalars)

    /// Whether `<reasoning>.*?</reasoning>\s*<answer>.*?</answer>` matches.
    ///
    /// Tags start with "<" and hold no other, so they never overlap, and only whether a match exists is asked: it is
    /// enough to remember, from left to right, whether an open tag can still reach the next closing one.
    static func matchesSoft(_ text: PythonText, dot: Dot, anchor: Anchor) -> Bool {
        let scalars = text.codePoints
        var isInReasoning = false
        var isInAnswer = false
        var answerStart: Int?
        for index in scalars.indices {
            if scalars[index] == "\n", dot == .staysOnLine {
                isInReasoning = false
                isInAnswer = false
            }
            guard scalars[index] == "<" else { continue }
            if text.hasPrefix(openReasoning, at: index) {
                if anchor == .anywhere || index == scalars.startIndex { isInReasoning = true }
            } else if text.hasPrefix(closeReasoning, at: index) {
                let gap = scalars[(index + closeReasoning.count)...]
                if isInReasoning { answerStart = gap.firstIndex { !$0.isPythonSpace } }
            } else if text.hasPrefix(openAnswer, at: index) {
                if index == answerStart { isInAnswer = true }
            } else if text.hasPrefix(closeAnswer, at: index), isInAnswer {
                return true
            }
        }
        return false
    }

    /// Whether `^<reasoning>\n.*?\n</reasoning>\n<answer>\n.*?\n</answer>\n$` matches. `$` also matches before one
    /// last line feed.
    static func matchesStrict(_ text: PythonText, dot: Dot) -> Bool {
        var lines = text.lines.map(\.string.unicodeScalars)
        func holds(_ line: Int, _ tag: [Unicode.Scalar]) -> Bool { lines[line].elementsEqual(tag) }
        // A text that ends in a line feed has an empty last line; `$` allows a second one.
        guard lines.count >= 7, lines.removeLast().isEmpty else { return false }
        if lines.count >= 7, lines[lines.count - 1].isEmpty, holds(lines.count - 2, closeAnswer) { lines.removeLast() }
        guard holds(0, openReasoning), holds(lines.count - 1, closeAnswer) else { return false }
        switch dot {
        case .staysOnLine: return lines.count == 6 && holds(2, closeReasoning) && holds(3, openAnswer)
        case .crossesLines:
            // At least one line, be it empty, stands between the tags of each pair.
            return (2..<lines.count - 3).contains { holds($0, closeReasoning) && holds($0 + 1, openAnswer) }
        }
    }
}
