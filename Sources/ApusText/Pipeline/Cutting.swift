/// One step in which text is cut into the pieces that become tokens, as the `pre_tokenizer` of tokenizer.json names it.
enum Cutting: Sendable, Equatable {
    /// By a split pattern that is known; every match is a piece.
    case pattern(SplitPattern)
    /// At whatever else is looked for.
    case division(Division)
    /// At every character of a kind.
    static func characters(_ kind: CharacterKind, _ behavior: SplitBehavior) -> Self {
        .division(Division(matcher: .characters(kind), behavior: behavior))
    }

    /// Into words and what is neither word nor white space, which goes (`Whitespace`).
    case words
    /// Spaces become a mark, which may be put before a text too; words begin with it.
    case metaspace(Metaspace)
    /// A space is put before a piece that begins with none (`add_prefix_space`).
    case leadingSpace

    /// Calls `body` with each piece, in order, and where the beginning of the whole text ends in what it is part of.
    ///
    /// - Parameter beginning: where what stands for the text's first character ends in what this text is part of; no more
    ///   than where this text begins if it is not there.
    func forEachPiece(of text: ArraySlice<UInt8>, beginning: Int, _ body: (ArraySlice<UInt8>, Int) -> Void) {
        switch self {
        case .pattern(let pattern): pattern.split(text) { body(text[$0], beginning) }
        case .division(let division): division.divide(text) { body($0, beginning) }
        case .words: WordKind.forEachWord(in: text) { body(text[$0], beginning) }
        case .metaspace(let metaspace): metaspace.split(text, beginning: beginning, body)
        case .leadingSpace:
            let space = UInt8(ascii: " ")
            // Nothing asks for the beginning behind it.
            if text.first == space { body(text, beginning) } else { body(([space] + text)[...], 0) }
        }
    }
}

extension [Cutting] {
    /// Calls `body` with each piece that all steps leave, in order; none is empty.
    ///
    /// - Parameter beginning: how many bytes of it stand for the first character of the whole text.
    func forEachPiece(of text: ArraySlice<UInt8>, beginning: Int, _ body: (ArraySlice<UInt8>) -> Void) {
        self[...].forEachPiece(of: text, beginning: text.startIndex + beginning, body)
    }
}

extension ArraySlice<Cutting> {
    fileprivate func forEachPiece(
        of text: ArraySlice<UInt8>, beginning: Int, _ body: (ArraySlice<UInt8>) -> Void
    ) {
        guard !text.isEmpty else { return }
        guard let first else { return body(text) }
        let rest = dropFirst()
        first.forEachPiece(of: text, beginning: beginning) { rest.forEachPiece(of: $0, beginning: $1, body) }
    }
}

/// SentencePiece's way with spaces: a visible mark stands for each.
struct Metaspace: Sendable, Equatable {
    /// Which parts of a text get a mark put before them that have none.
    enum Scheme: String, Sendable {
        case always, first, never
    }

    /// The mark of all families.
    static let mark = "\u{2581}"

    /// The mark.
    var replacement = mark
    var scheme = Scheme.always
    /// Whether text is cut before each mark.
    var splits = true

    /// Calls `body` with each piece and where the beginning of the whole text ends then.
    func split(_ text: ArraySlice<UInt8>, beginning: Int, _ body: (ArraySlice<UInt8>, Int) -> Void) {
        let mark = Array(replacement.utf8)
        let isBeginning = text.startIndex < beginning
        var marked = Array(text).replacing(" ", with: replacement)
        var end =
            isBeginning ? Array(text.prefix(beginning - text.startIndex)).replacing(" ", with: replacement).count : 0
        if !marked.isEmpty, scheme == .always || scheme == .first && isBeginning, !marked.starts(with: mark) {
            marked = mark + marked
            if isBeginning { end += mark.count }
        }
        guard splits else { return body(marked[...], end) }
        Division(matcher: .text(replacement), behavior: .mergedWithNext).divide(marked[...]) { body($0, end) }
    }
}

extension ArraySlice<UInt8> {
    /// Calls `body` with the range of each occurrence, from left to right, none within another.
    func forEachOccurrence(of wanted: [UInt8], _ body: (Range<Int>) -> Void) {
        guard let first = wanted.first else { return }
        var at = startIndex
        while at + wanted.count <= endIndex {
            if self[at] == first, self[at..<at + wanted.count].elementsEqual(wanted) {
                body(at..<at + wanted.count)
                at += wanted.count
            } else {
                at += 1
            }
        }
    }
}

extension [UInt8] {
    /// The bytes with every occurrence replaced.
    func replacing(_ old: String, with new: String) -> [UInt8] { replacing(.text(old), with: new) }

    /// The bytes with every match replaced.
    func replacing(_ matcher: Matcher, with new: String) -> [UInt8] {
        var (result, copied): ([UInt8], Int) = ([], 0)
        var isChanged = false
        result.reserveCapacity(count)
        matcher.forEachMatch(in: self[...]) { range in
            isChanged = true
            result += self[copied..<range.lowerBound]
            result += new.utf8
            copied = range.upperBound
        }
        if !isChanged { return self }
        result += self[copied...]
        return result
    }
}
