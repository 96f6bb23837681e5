/// How the tokens of a plainly spelled vocabulary become text again, as the `decoder` of tokenizer.json names it.
struct PieceDecoding: Sendable, Equatable {
    /// What becomes of the mark that stands before the first word.
    enum Beginning: Sendable {
        /// It is a space like the others.
        case kept
        /// One space at the beginning of the text goes (`Strip`).
        case losesASpace
        /// All marks of the first token go (`Metaspace`).
        case losesMarks
    }

    /// What stands for a space; nil where nothing does.
    var mark: String?
    var beginning = Beginning.kept
    /// Whether tokens of bytes are bytes.
    var joinsBytes = false

    /// A piece with its marks as spaces.
    func text(of piece: ArraySlice<UInt8>) -> [UInt8] {
        guard let mark else { return Array(piece) }
        return Array(piece).replacing(Array(mark.utf8), with: [UInt8(ascii: " ")])
    }
}

/// Turns pieces into text one after the other. What a run of bytes means is known when it has ended: if they are not valid
/// UTF-8 together, each of them becomes U+FFFD.
struct PieceDecoder: Sendable {
    private let rules: PieceDecoding
    private var run: [UInt8] = []
    private var hasBegun = false
    private var losesSpace: Bool

    init(_ rules: PieceDecoding) {
        self.rules = rules
        losesSpace = rules.beginning == .losesASpace
    }

    /// Takes a token that stands for a byte; its text comes later.
    mutating func append(byte: UInt8) {
        run.append(byte)
        hasBegun = true
    }

    /// Takes a piece and returns the text that is certain now.
    mutating func append(_ piece: ArraySlice<UInt8>) -> [UInt8] {
        var text = endRun()
        if !hasBegun, rules.beginning == .losesMarks, let mark = rules.mark {
            text += Array(piece).replacing(Array(mark.utf8), with: [])
        } else {
            text += rules.text(of: piece)
        }
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

    /// The first text loses its first space where the rules want it.
    private mutating func begun(_ text: [UInt8]) -> [UInt8] {
        guard losesSpace, let first = text.first else { return text }
        losesSpace = false
        return first == UInt8(ascii: " ") ? Array(text.dropFirst()) : text
    }
}
