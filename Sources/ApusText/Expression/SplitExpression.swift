/// A regular expression at whose matches text is cut, in Oniguruma's syntax, which `tokenizers` takes.
///
/// Only what such expressions are made of exists: sets of characters, repetitions, alternatives, groups, looking ahead and
/// anchors. Anything else is refused when the expression is read. It runs on UTF-8 with one look into a table for each
/// character, and counts its steps.
struct SplitExpression: Sendable, Equatable {
    /// As it is written.
    let source: String
    private let program: SplitProgram

    /// - Throws: ``PatternError`` for what is no expression or is not supported.
    init(_ source: String) throws(PatternError) {
        self.source = source
        var parser = try SplitExpressionParser(source)
        let nodes = try parser.parse()
        program = try SplitProgram(nodes)
    }

    static func == (left: Self, right: Self) -> Bool { left.source == right.source }

    /// Calls `body` with the range of every match, from left to right, none within another.
    ///
    /// A text on which matching takes more steps than 64 for each byte and ten million is left uncut from there on; a short
    /// one, of which there may be many, sooner.
    func forEachMatch(in text: ArraySlice<UInt8>, _ body: (Range<Int>) -> Void) {
        let steps = min(20_000 + 4096 * text.count, 10_000_000 + 64 * text.count)
        var machine = SplitMachine(program, stepsLeft: steps)
        text.withUnsafeBufferPointer { bytes in
            var at = 0
            var lastEnd = -1
            while at <= bytes.count, machine.stepsLeft > 0 {
                guard let end = machine.endOfMatch(in: bytes, from: at), end > at || at != lastEnd else {
                    at += at < bytes.count ? bytes[at].scalarLength : 1
                    continue
                }
                body(at + text.startIndex..<end + text.startIndex)
                lastEnd = end
                at = end
            }
        }
    }
}

/// A part of an expression.
indirect enum SplitNode {
    /// One character of a set, so many times; as often as possible unless it is lazy, and never given back where possessive.
    case characters(ScalarSet, PatternCount)
    case group([[SplitNode]], PatternCount)
    case look(isNegative: Bool, [[SplitNode]])
    case place(SplitPlace)
}

/// A place between characters.
enum SplitPlace: Sendable {
    case textStart, textEnd, lineStart, lineEnd
}
