/// How text is cut into the pieces within which byte pairs are merged.
///
/// Only the patterns of the supported model families exist; each is known by the regular expression that its
/// tokenizer.json spells out.
enum SplitPattern: Sendable, Equatable {
    /// GPT-2: contractions, then words, numbers and punctuation, each with one leading space.
    case gpt2
    /// The family of GPT-4's pattern: Llama-3, Qwen2.
    case gpt4(GPT4Pattern)

    static let qwen2 = SplitPattern.gpt4(GPT4Pattern())
    static let llama3 = SplitPattern.gpt4(GPT4Pattern(maximumDigits: 3))

    private static let gpt2Expression =
        #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#

    /// The pattern that a tokenizer.json spells as this regular expression, or nil when it is none of ours.
    init?(expression: String) {
        if expression == Self.gpt2Expression {
            self = .gpt2
        } else if let pattern = GPT4Pattern.all.first(where: { $0.expression == expression }) {
            self = .gpt4(pattern)
        } else {
            return nil
        }
    }

    /// The regular expression that tokenizer.json files spell for this pattern.
    var expression: String {
        switch self {
        case .gpt2: Self.gpt2Expression
        case .gpt4(let pattern): pattern.expression
        }
    }

    /// Calls `body` with the byte range of each piece, in order; together they cover the text.
    func split(_ bytes: ArraySlice<UInt8>, _ body: (Range<Int>) -> Void) {
        let text = TextScanner(bytes)
        switch self {
        case .gpt4(let pattern): scan(text, from: bytes.startIndex, body) { pattern.endOfPiece(in: text, from: $0) }
        case .gpt2: scan(text, from: bytes.startIndex, body) { Self.endOfGPT2Piece(in: text, from: $0) }
        }
    }

    @inline(__always) private func scan(
        _ text: TextScanner, from start: Int, _ body: (Range<Int>) -> Void, _ endOfPiece: (Int) -> Int
    ) {
        var start = start
        while start < text.end {
            let end = endOfPiece(start)
            body(start..<end)
            start = end
        }
    }

    private static func endOfGPT2Piece(in text: TextScanner, from start: Int) -> Int {
        if let end = text.endOfContraction(from: start, ignoringCase: false) { return end }
        let body = text.byte(at: start) == UInt8(ascii: " ") ? start + 1 : start
        if body < text.end {
            let kind = text.scalar(at: body).class
            if kind != .space { return text.endOfRun(of: kind, from: body) }
        }
        return text.endOfSpaceLeavingLast(from: start)
    }
}

/// GPT-4's pattern with the three knobs in which its descendants differ.
struct GPT4Pattern: Sendable, Equatable {
    /// Whether `(?i:'s|'t|'re|'ve|'m|'ll|'d)` comes first.
    var splitsContractions = true
    /// How many digits stay together.
    var maximumDigits = 1
    /// Whether the last space of a run goes with the word behind it: `\s+(?!\S)`.
    var leavesLastSpace = true

    static let all: [GPT4Pattern] = [true, false].flatMap { contractions in
        [1, 3].flatMap { digits in
            [true, false].map {
                GPT4Pattern(splitsContractions: contractions, maximumDigits: digits, leavesLastSpace: $0)
            }
        }
    }

    /// The regular expression that tokenizer.json files spell for this pattern.
    var expression: String {
        (splitsContractions ? "(?i:'s|'t|'re|'ve|'m|'ll|'d)|" : "")
            + #"[^\r\n\p{L}\p{N}]?\p{L}+|"#
            + (maximumDigits == 1 ? #"\p{N}"# : #"\p{N}{1,\#(maximumDigits)}"#)
            + #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"#
            + (leavesLastSpace ? #"\s+(?!\S)|\s+"# : #"\s+"#)
    }

    /// The end of the piece that starts at `start`: the first alternative that matches, as the expression orders them.
    func endOfPiece(in text: TextScanner, from start: Int) -> Int {
        if splitsContractions, let end = text.endOfContraction(from: start, ignoringCase: true) { return end }
        let (kind, next) = text.scalar(at: start)
        if let end = endOfWord(in: text, from: start, kind: kind, next: next) { return end }
        if kind == .number { return text.endOfRun(of: .number, from: start, limit: maximumDigits) }
        if let end = endOfPunctuation(in: text, from: start) { return end }
        if let end = text.endOfLastNewline(from: start) { return end }
        return leavesLastSpace ? text.endOfSpaceLeavingLast(from: start) : text.endOfRun(of: .space, from: start)
    }

    /// `[^\r\n\p{L}\p{N}]?\p{L}+`
    private func endOfWord(in text: TextScanner, from start: Int, kind: ScalarClass, next: Int) -> Int? {
        if kind == .letter { return text.endOfRun(of: .letter, from: next) }
        guard kind != .number, !text.isNewline(at: start) else { return nil }
        let end = text.endOfRun(of: .letter, from: next)
        return end > next ? end : nil
    }

    /// ` ?[^\s\p{L}\p{N}]+[\r\n]*`
    private func endOfPunctuation(in text: TextScanner, from start: Int) -> Int? {
        let body = text.byte(at: start) == UInt8(ascii: " ") ? start + 1 : start
        var end = text.endOfRun(of: .other, from: body)
        guard end > body else { return nil }
        while text.isNewline(at: end) { end += 1 }
        return end
    }
}
