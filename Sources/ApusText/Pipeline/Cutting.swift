/// How text is cut into the pieces within which tokens are merged, as the `pre_tokenizer` of tokenizer.json names it.
enum Cutting: Sendable, Equatable {
    /// By a split pattern; the pieces are bytes (byte-level BPE).
    case pattern(SplitPattern)
    /// Spaces become a mark, which may be put before a text too; words begin with it.
    case metaspace(Metaspace)
    /// At every occurrence of a text.
    case separator(Separator)
    /// Not at all.
    case whole

    /// Calls `body` with each piece, in order.
    ///
    /// - Parameter startsText: whether nothing of the whole text stands before this part.
    func forEachPiece(of text: [UInt8], startsText: Bool, _ body: (ArraySlice<UInt8>) -> Void) {
        switch self {
        case .pattern(let pattern): pattern.split(text) { body(text[$0]) }
        case .metaspace(let metaspace): metaspace.split(text, startsText: startsText, body)
        case .separator(let separator): separator.split(text, body)
        case .whole: if !text.isEmpty { body(text[...]) }
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

    func split(_ text: [UInt8], startsText: Bool, _ body: (ArraySlice<UInt8>) -> Void) {
        let mark = Array(replacement.utf8)
        var marked = text.replacing([UInt8(ascii: " ")], with: mark)
        if !marked.isEmpty, scheme == .always || scheme == .first && startsText, !marked.starts(with: mark) {
            marked = mark + marked
        }
        guard splits else { return Cutting.whole.forEachPiece(of: marked, startsText: startsText, body) }
        Separator(text: replacement, behavior: .mergedWithNext).split(marked, body)
    }
}

/// Text is cut at every occurrence of another.
struct Separator: Sendable, Equatable {
    /// What becomes of the occurrences, as `tokenizers` calls it.
    enum Behavior: String, Sendable {
        case removed = "Removed"
        case isolated = "Isolated"
        case mergedWithPrevious = "MergedWithPrevious"
        case mergedWithNext = "MergedWithNext"
        case contiguous = "Contiguous"
    }

    var text: String
    var behavior: Behavior

    func split(_ bytes: [UInt8], _ body: (ArraySlice<UInt8>) -> Void) {
        let separator = Array(text.utf8)
        /// Where the piece begins that is not given out yet, and whether it is made of separators.
        var (start, isSeparator) = (0, false)
        func give(to end: Int) {
            if end > start { body(bytes[start..<end]) }
            start = end
        }
        bytes[...].forEachOccurrence(of: separator) { range in
            switch behavior {
            case .removed:
                give(to: range.lowerBound)
                start = range.upperBound
            case .isolated:
                give(to: range.lowerBound)
                give(to: range.upperBound)
            case .mergedWithPrevious: give(to: range.upperBound)
            case .mergedWithNext: give(to: range.lowerBound)
            case .contiguous:
                if !isSeparator || range.lowerBound > start { give(to: range.lowerBound) }
                isSeparator = true
            }
        }
        give(to: bytes.count)
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
    func replacing(_ old: [UInt8], with new: [UInt8]) -> [UInt8] {
        var (result, copied): ([UInt8], Int) = ([], 0)
        result.reserveCapacity(count)
        self[...].forEachOccurrence(of: old) { range in
            result += self[copied..<range.lowerBound]
            result += new
            copied = range.upperBound
        }
        if copied == 0 { return self }
        result += self[copied...]
        return result
    }
}
