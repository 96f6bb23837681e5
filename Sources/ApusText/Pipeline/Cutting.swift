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

    /// Calls `body` with each piece, in order.
    ///
    /// - Parameter startsText: whether nothing of the whole text stands before this part.
    func forEachPiece(of text: ArraySlice<UInt8>, startsText: Bool, _ body: (ArraySlice<UInt8>) -> Void) {
        switch self {
        case .pattern(let pattern): pattern.split(text) { body(text[$0]) }
        case .division(let division): division.divide(text, body)
        case .words: WordKind.forEachWord(in: text) { body(text[$0]) }
        case .metaspace(let metaspace): metaspace.split(text, startsText: startsText, body)
        case .leadingSpace:
            let space = UInt8(ascii: " ")
            body(text.first == space ? text : ([space] + text)[...])
        }
    }
}

extension [Cutting] {
    /// Calls `body` with each piece that all steps leave, in order; none is empty.
    func forEachPiece(of text: ArraySlice<UInt8>, startsText: Bool, _ body: (ArraySlice<UInt8>) -> Void) {
        self[...].forEachPiece(of: text, startsText: startsText, body)
    }
}

extension ArraySlice<Cutting> {
    fileprivate func forEachPiece(
        of text: ArraySlice<UInt8>, startsText: Bool, _ body: (ArraySlice<UInt8>) -> Void
    ) {
        guard !text.isEmpty else { return }
        guard let first else { return body(text) }
        let rest = dropFirst()
        var isFirst = startsText
        first.forEachPiece(of: text, startsText: startsText) { piece in
            // What was cut away stood before it all the same; a piece that was made anew begins at 0.
            let startsText = isFirst && (piece.startIndex == text.startIndex || piece.startIndex == 0)
            isFirst = false
            rest.forEachPiece(of: piece, startsText: startsText, body)
        }
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

    func split(_ text: ArraySlice<UInt8>, startsText: Bool, _ body: (ArraySlice<UInt8>) -> Void) {
        let mark = Array(replacement.utf8)
        var marked = Array(text).replacing(" ", with: replacement)
        if !marked.isEmpty, scheme == .always || scheme == .first && startsText, !marked.starts(with: mark) {
            marked = mark + marked
        }
        guard splits else { return body(marked[...]) }
        Division(matcher: .text(replacement), behavior: .mergedWithNext).divide(marked[...], body)
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
