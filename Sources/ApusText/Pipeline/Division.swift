/// What becomes of the places at which text is cut, as `tokenizers` calls it.
enum SplitBehavior: String, Sendable {
    /// They go.
    case removed = "Removed"
    /// Each is a piece.
    case isolated = "Isolated"
    /// Each ends the piece before it.
    case mergedWithPrevious = "MergedWithPrevious"
    /// Each begins the piece behind it.
    case mergedWithNext = "MergedWithNext"
    /// Those that touch are one piece.
    case contiguous = "Contiguous"

    /// By its name in a file: older ones and the library's own functions write it in small letters.
    init?(name: String) {
        let words = name.split(separator: "_").map { $0.prefix(1).uppercased() + $0.dropFirst() }
        self.init(rawValue: words.joined())
    }
}

/// What is looked for in a text.
enum Matcher: Sendable, Equatable {
    /// Every occurrence of a text.
    case text(String)
    /// Every match of an expression.
    case expression(SplitExpression)
    /// Every character of a kind.
    case characters(CharacterKind)

    /// Calls `body` with the range of each match, from left to right, none within another.
    func forEachMatch(in text: ArraySlice<UInt8>, _ body: (Range<Int>) -> Void) {
        switch self {
        case .text(let wanted): text.forEachOccurrence(of: Array(wanted.utf8), body)
        case .expression(let expression): expression.forEachMatch(in: text, body)
        case .characters(let kind): kind.forEachCharacter(in: text, body)
        }
    }
}

/// Cuts text at matches.
struct Division: Sendable, Equatable {
    var matcher: Matcher
    var behavior: SplitBehavior
    /// Whether what lies between the matches counts as the matches.
    var isInverted = false

    /// Calls `body` with each piece, in order.
    func divide(_ text: ArraySlice<UInt8>, _ body: (ArraySlice<UInt8>) -> Void) {
        var pieces = PieceAssembler(self)
        var end = text.startIndex
        func add(_ range: Range<Int>, _ isFound: Bool) {
            if let piece = pieces.add(range, isMatch: isFound != isInverted), !piece.isEmpty { body(text[piece]) }
        }
        matcher.forEachMatch(in: text) { range in
            if range.lowerBound > end { add(end..<range.lowerBound, false) }
            add(range, true)
            end = range.upperBound
        }
        if end < text.endIndex { add(end..<text.endIndex, false) }
        if let piece = pieces.pending, !piece.isEmpty { body(text[piece]) }
    }
}

/// Joins matches and what lies between them as a behavior has it.
private struct PieceAssembler {
    private let behavior: SplitBehavior
    /// The piece that may still grow.
    private(set) var pending: Range<Int>?
    private var isLastMatch = false

    init(_ division: Division) { behavior = division.behavior }

    /// Takes what comes next and returns the piece that is complete now, if any.
    mutating func add(_ range: Range<Int>, isMatch: Bool) -> Range<Int>? {
        defer { isLastMatch = isMatch }
        let joins =
            switch behavior {
            case .removed, .isolated: false
            case .mergedWithPrevious: isMatch && !isLastMatch
            case .mergedWithNext: !isMatch && isLastMatch
            case .contiguous: isMatch == isLastMatch
            }
        if joins, let start = pending?.lowerBound {
            pending = start..<range.upperBound
            return nil
        }
        defer { pending = behavior == .removed && isMatch ? nil : range }
        return pending
    }
}
