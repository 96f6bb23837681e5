/// What turns the pieces of a text into tokens.
enum TokenizerModel: Sendable {
    /// Byte pair encoding.
    case bytePairs(BytePairRules)
    /// The most probable pieces of a vocabulary.
    case unigram(UnigramVocabulary)
    /// The longest tokens that words begin and go on with.
    case wordPiece(WordPieceEncoder.Rules)
}

/// What byte pair encoding merges.
struct BytePairRules: Sendable {
    /// Pairs of token ids to merge, best first.
    var merges: [(left: Int32, right: Int32, result: Int32)]
    /// The rank of each merge where several have one; nil for their order.
    var ranks: [Int32]?
    /// Whether a piece that is itself a token is taken as it is.
    var ignoresMerges = false
    /// What stands for a byte that is no token, in a vocabulary of bytes.
    var unknown: Int32?
    /// Whether several of them in a row become one.
    var fusesUnknown = false
}

extension BytePairRules {
    /// Every way to make a token of two.
    ///
    /// - Parameters:
    ///   - tokens: what is made, best first.
    ///   - ranks: the rank of each of them.
    ///   - splitsCharacters: whether a half may end within a character.
    init(making tokens: [Int32], ranks: [Int32], of table: TokenTable, splitsCharacters: Bool) {
        var merges: [(left: Int32, right: Int32, result: Int32)] = []
        var mergeRanks: [Int32] = []
        for (id, rank) in zip(tokens, ranks) {
            let bytes = table.bytes(of: id)
            // Characters begin where a byte continues none.
            for middle in bytes.indices.dropFirst() where splitsCharacters || bytes[middle] & 0xC0 != 0x80 {
                guard let left = table.id(of: bytes[..<middle]), let right = table.id(of: bytes[middle...]) else {
                    continue
                }
                merges.append((left, right, id))
                mergeRanks.append(rank)
            }
        }
        self.init(merges: merges, ranks: mergeRanks)
    }
}

/// A model made ready to encode.
enum PieceEncoder: Sendable {
    /// Byte pair encoding: with the table where whole pieces are looked up first, and where long ones may be cut.
    case bytePairs(BytePairEncoder, wholePieces: TokenTable?, WordBoundaries?)
    case unigram(UnigramEncoder)
    case wordPiece(WordPieceEncoder)

    /// What encoding needs in passing, kept from piece to piece.
    struct Room {
        fileprivate var bytePairs = BytePairEncoder.Room()
        fileprivate var unigram = UnigramEncoder.Room()
    }

    init(_ definition: TokenizerDefinition) {
        let (table, spelling) = (definition.table, definition.spelling)
        switch definition.model {
        case .bytePairs(let rules):
            let atoms: BytePairEncoder.Atoms =
                switch spelling {
                case .byteLevel:
                    .bytes(
                        (UInt8.min...UInt8.max).map { table.id(of: [$0]) ?? -1 },
                        UnknownRun(token: rules.unknown, fuses: rules.fusesUnknown))
                case .plain(let plain): .characters(CharacterTokens(table, plain))
                }
            self = .bytePairs(
                BytePairEncoder(atoms, merges: rules.merges, ranks: rules.ranks),
                wholePieces: rules.ignoresMerges ? table : nil, WordBoundaries(spelling, table))
        case .unigram(let vocabulary):
            let plain = if case .plain(let plain) = spelling { plain } else { PlainSpelling() }
            self = .unigram(UnigramEncoder(vocabulary, plain, table))
        case .wordPiece(let rules): self = .wordPiece(WordPieceEncoder(rules, table))
        }
    }

    /// Appends the tokens of one piece.
    func encode(_ piece: ArraySlice<UInt8>, into tokens: inout [Int32], _ room: inout Room) {
        switch self {
        case .bytePairs(let encoder, let wholePieces, let words):
            if let id = wholePieces?.id(of: piece) {
                tokens.append(id)
            } else if let words {
                words.forEachWord(of: piece) { encoder.encode($0, into: &tokens, &room.bytePairs) }
            } else {
                encoder.encode(piece, into: &tokens, &room.bytePairs)
            }
        case .unigram(let encoder): encoder.encode(piece, into: &tokens, &room.unigram)
        case .wordPiece(let encoder): encoder.encode(piece, into: &tokens)
        }
    }
}
