/// How the tokens of a plainly spelled vocabulary become text again, as the `decoder` of tokenizer.json names it.
struct PieceDecoding: Sendable, Equatable {
    /// What is done to every token, in order.
    var steps: [Step] = []
    /// Whether tokens of bytes are bytes.
    var joinsBytes = false
    /// How many spaces go at the beginning of the text (`Strip` behind `Fuse`).
    var lostSpaces = 0
    /// What stands between tokens: where a file names no decoder, the library puts spaces there.
    var separator = ""

    /// What is done to one token.
    enum Step: Sendable, Equatable {
        /// Every occurrence is replaced.
        case replace(String, by: String)
        /// Marks are spaces; those of the first token may go.
        case metaspace(String, losesFirst: Bool)
        /// Tokens that continue a word lose their prefix, others get a space before them.
        case wordPiece(prefix: String, cleansUp: Bool)
        /// So many of these characters go at either end.
        case strip(String, start: Int, stop: Int)
    }

    /// Whether tokens get a space before them, which makes those of bytes plain text.
    var putsSpaces: Bool {
        steps.contains { if case .wordPiece = $0 { true } else { false } }
    }

    /// What stands for a space in the vocabulary; nil where nothing does.
    var mark: String? {
        for step in steps {
            switch step {
            case .replace(let mark, by: " "), .metaspace(let mark, _): return mark
            default: continue
            }
        }
        return nil
    }

    /// The text of a piece.
    func text(of piece: ArraySlice<UInt8>, isFirst: Bool = false) -> [UInt8] {
        steps.reduce(Array(piece)) { $1.apply(to: $0, isFirst: isFirst) }
    }
}

extension PieceDecoding.Step {
    /// What tokenizing put between words and their punctuation, in the library's order.
    private static let cleanUps = [
        (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"),
        (" do not", " don't"), (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"),
    ]

    func apply(to piece: [UInt8], isFirst: Bool) -> [UInt8] {
        switch self {
        case .replace(let old, let new): return piece.replacing(old, with: new)
        case .metaspace(let mark, let losesFirst):
            return piece.replacing(mark, with: isFirst && losesFirst ? "" : " ")
        case .wordPiece(let prefix, let cleansUp):
            var text = piece
            if !isFirst {
                let isContinued = piece.starts(with: prefix.utf8)
                text = isContinued ? Array(piece.dropFirst(prefix.utf8.count)) : [UInt8(ascii: " ")] + piece
            }
            return cleansUp ? Self.cleanUps.reduce(text) { $0.replacing($1.0, with: $1.1) } : text
        case .strip(let content, let start, let stop):
            let bytes = Array(content.utf8)
            var text = piece[...]
            for _ in 0..<start where text.starts(with: bytes) { text = text.dropFirst(bytes.count) }
            for _ in 0..<stop where text.suffix(bytes.count).elementsEqual(bytes) { text = text.dropLast(bytes.count) }
            return Array(text)
        }
    }
}

/// Turns pieces into text one after the other. What a run of bytes means is known when it has ended: if they are not valid
/// UTF-8 together, each of them becomes U+FFFD.
struct PieceDecoder: Sendable {
    private let rules: PieceDecoding
    private var run: [UInt8] = []
    private var hasBegun = false
    private var spacesToLose: Int

    init(_ rules: PieceDecoding) {
        self.rules = rules
        spacesToLose = rules.lostSpaces
    }

    /// Takes a token that stands for a byte; its text comes later.
    mutating func append(byte: UInt8) {
        run.append(byte)
        hasBegun = true
    }

    /// Takes a piece and returns the text that is certain now.
    mutating func append(_ piece: ArraySlice<UInt8>) -> [UInt8] {
        var text = endRun()
        if hasBegun { text += rules.separator.utf8 }
        text += rules.text(of: piece, isFirst: !hasBegun)
        hasBegun = true
        return begun(text)
    }

    /// Ends the text.
    mutating func finish() -> [UInt8] { begun(endRun()) }

    private mutating func endRun() -> [UInt8] {
        defer { run = [] }
        guard String(validating: run, as: UTF8.self) == nil else { return run }
        return run.flatMap { _ in "\u{FFFD}".utf8 }
    }

    /// The text loses its first spaces where the rules want it.
    private mutating func begun(_ text: [UInt8]) -> [UInt8] {
        var text = text[...]
        while spacesToLose > 0, let first = text.first {
            guard first == UInt8(ascii: " ") else {
                spacesToLose = 0
                break
            }
            spacesToLose -= 1
            text = text.dropFirst()
        }
        return Array(text)
    }
}
