/// Where a piece may be cut before its characters are merged, to the same tokens: the time that merging takes grows faster than
/// the length of a piece, and SentencePiece's pieces are whole texts.
struct WordBoundaries: Sendable {
    private let mark: [UInt8]

    /// A piece may be cut before a mark that follows something else if no token has a mark there, the mark is a token itself
    /// and every character becomes one; nil where that is not so.
    init?(_ spelling: Spelling, _ table: TokenTable) {
        guard case .plain(let plain) = spelling, let mark = plain.decoding.mark.map({ Array($0.utf8) }),
            table.id(of: mark[...]) != nil, Self.isNothingLost(plain, table)
        else { return nil }
        self.mark = mark
        let reachesAcross = (0..<Int32(table.count)).contains { id in
            var words = 0
            forEachWord(of: table.bytes(of: id)) { _ in words += 1 }
            return words > 1
        }
        if reachesAcross { return nil }
    }

    /// Whether every character becomes a token: marks on both sides of one that vanishes are merged.
    private static func isNothingLost(_ plain: PlainSpelling, _ table: TokenTable) -> Bool {
        if let unknown = plain.unknownToken, table.id(of: Array(unknown.utf8)[...]) != nil { return true }
        return plain.fallsBackToBytes && PlainSpelling.byteTokens(in: table).allSatisfy { $0 >= 0 }
    }

    /// Calls `body` with the parts of a piece, in order.
    func forEachWord(of piece: ArraySlice<UInt8>, _ body: (ArraySlice<UInt8>) -> Void) {
        // Where the word begins, and where the last mark ended.
        var (start, end) = (piece.startIndex, piece.startIndex)
        piece.forEachOccurrence(of: mark) { range in
            if range.lowerBound > end {
                body(piece[start..<range.lowerBound])
                start = range.lowerBound
            }
            end = range.upperBound
        }
        if start < piece.endIndex { body(piece[start...]) }
    }
}
