/// BERT's way: the longest token that a word begins with, then the longest that continues it, and so on; a word that does not
/// come out is unknown as a whole.
struct WordPieceEncoder: Sendable {
    /// How the words of a vocabulary are spelled.
    struct Rules: Sendable, Equatable {
        /// What begins the tokens that continue a word.
        var prefix = "##"
        /// Longer words are unknown.
        var maximumCharacters = 100
        /// What stands for a word that is not known.
        var unknownToken = "[UNK]"
    }

    private let beginnings: ByteTrie
    private let continuations: ByteTrie
    private let maximumCharacters: Int
    private let unknown: Int32?

    init(_ rules: Rules, _ table: TokenTable) {
        let prefix = Array(rules.prefix.utf8)
        var (beginnings, continuations) = (ByteTrie(), ByteTrie())
        for id in 0..<Int32(table.count) {
            let token = table.bytes(of: id)
            guard table.id(of: token) == id else { continue }
            beginnings.insert(token, id)
            if token.starts(with: prefix) { continuations.insert(token.dropFirst(prefix.count), id) }
        }
        self.beginnings = beginnings
        self.continuations = continuations
        maximumCharacters = rules.maximumCharacters
        unknown = table.id(of: Array(rules.unknownToken.utf8)[...])
    }

    /// Appends the tokens of a word.
    func encode(_ word: ArraySlice<UInt8>, into tokens: inout [Int32]) {
        let first = tokens.count
        let bytes = Array(word)
        var start = 0
        let isTooLong = bytes.count > maximumCharacters && word.count { $0 & 0xC0 != 0x80 } > maximumCharacters
        while !isTooLong, start < bytes.count {
            let pieces = start == 0 ? beginnings : continuations
            guard let (token, end) = pieces.longest(in: bytes, at: start) else { break }
            tokens.append(token)
            start = end
        }
        if start < bytes.count {
            tokens.removeLast(tokens.count - first)
            if let unknown { tokens.append(unknown) }
        }
    }
}
