/// Everything that decides which tokens a text becomes, whichever file it came from.
struct TokenizerDefinition: Sendable {
    /// Tokens by id in the byte alphabet, added tokens in plain text; nil where an id is not used.
    var tokens: [String?]
    /// The same tokens by the bytes they stand for.
    var table: TokenTable
    /// Pairs of token ids to merge, best first.
    var merges: [(left: Int32, right: Int32, result: Int32)]
    var addedTokens: [AddedToken]
    var pattern: SplitPattern
    /// Whether text is brought into normalisation form C first.
    var composesUnicode = false
    /// Whether a piece that is itself a token is taken as it is.
    var ignoresMerges = false
    /// Tokens put before and behind a text when special tokens are asked for.
    var prefix: [Int32] = []
    var suffix: [Int32] = []
}

extension TokenizerDefinition {
    /// The bytes each token stands for, and the table to look them up in.
    static func makeTable(_ tokens: [String?], added: [AddedToken]) -> TokenTable {
        var bytes = tokens.map { $0.map(ByteAlphabet.decode) }
        for token in added { bytes[Int(token.id)] = ByteAlphabet.decode(token.content) }
        return TokenTable(bytes)
    }

    /// Looks up both halves and the result of each merge.
    static func resolve(
        _ pairs: [(Substring, Substring)], in table: TokenTable, name: String
    ) throws(TextError) -> [(left: Int32, right: Int32, result: Int32)] {
        var merges: [(left: Int32, right: Int32, result: Int32)] = []
        merges.reserveCapacity(pairs.count)
        for (left, right) in pairs {
            let leftBytes = ByteAlphabet.decode(String(left))
            let rightBytes = ByteAlphabet.decode(String(right))
            guard let leftID = table.id(of: leftBytes), let rightID = table.id(of: rightBytes),
                let result = table.id(of: leftBytes + rightBytes)
            else {
                throw TextError(
                    code: .malformed,
                    message: "\(name): the merge of '\(left)' and '\(right)' is not in the vocabulary; "
                        + "fetch the file again"
                )
            }
            merges.append((leftID, rightID, result))
        }
        return merges
    }
}
