/// SentencePiece's BPE as GGUF files hold it: a score for each token in place of a list of merges.
extension GGUFVocabulary {
    /// Whether a mark is put before every part of a text.
    var prependsMark: Bool { addsSpacePrefix ?? true }

    /// How tokens stand for text: what tokenizer.json says of the same model.
    var plainSpelling: PlainSpelling {
        PlainSpelling(
            fallsBackToBytes: true, unknownToken: token(unknownToken), fusesUnknown: true,
            decoding: PieceDecoding(
                steps: [.replace(Metaspace.mark, by: " ")], joinsBytes: true, lostSpaces: prependsMark ? 1 : 0))
    }

    /// What is done to a text first.
    var spaceNormalizers: [Normalizer] {
        (prependsMark ? [.prepend(Metaspace.mark)] : []) + [.replace(.text(" "), by: Metaspace.mark)]
    }

    func sentencePieceDefinition() throws(TextError) -> TokenizerDefinition {
        guard scores.count == tokens.count else {
            throw TextError(
                code: .malformed,
                message: "\(name): tokenizer.ggml.scores has \(scores.count) entries, wanted one for each of "
                    + "\(tokens.count) tokens; convert the model again")
        }
        let added = addedTokens()
        let spelled = SpelledTokens(tokens, isUsed: tokens.indices.map(isUsed))
        let spelling = Spelling.plain(plainSpelling)
        let table = TokenTable(spelled, spelling, added: added)
        return TokenizerDefinition(
            tokens: spelled, spelling: spelling, table: table, model: .bytePairs(scoredMerges(table)),
            addedTokens: added, normalizers: spaceNormalizers, cuttings: [], prefix: prefix, suffix: suffix)
    }

    /// Those of higher score are made first; ways of one score are of one rank.
    func scoredMerges(_ table: TokenTable) -> BytePairRules {
        let mergeable = tokens.indices.filter { !tokenTypes.indices.contains($0) || tokenTypes[$0] == 1 }
        let order = mergeable.sorted { (scores[$1], $0) < (scores[$0], $1) }
        var ranks: [Int32] = []
        var (rank, last): (Int32, Float) = (-1, .nan)
        for id in order {
            if scores[id] != last { rank += 1 }
            last = scores[id]
            ranks.append(rank)
        }
        return BytePairRules(making: order.map { Int32($0) }, ranks: ranks, of: table, splitsCharacters: false)
    }
}
