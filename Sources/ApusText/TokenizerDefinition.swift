/// Everything that decides which tokens a text becomes, whichever file it came from.
struct TokenizerDefinition: Sendable {
    /// Tokens by id as the vocabulary spells them, added tokens in plain text; nil where an id is not used.
    var tokens: SpelledTokens
    /// How tokens stand for text.
    var spelling = Spelling.byteLevel
    /// The same tokens by what text is made of: bytes, or plain text with marks for spaces.
    var table: TokenTable
    /// What makes tokens of pieces.
    var model: TokenizerModel
    var addedTokens: [AddedToken]
    /// What is done to text first, in order.
    var normalizers: [Normalizer] = []
    /// How it is cut then: each step cuts what those before it leave.
    var cuttings: [Cutting]
    /// Tokens put before and behind a text when special tokens are asked for.
    var prefix: [Int32] = []
    var suffix: [Int32] = []
}

/// The tokens of a vocabulary as it spells them, by id; some ids may have none.
struct SpelledTokens: Sendable {
    private let texts: PackedTexts
    private let used: [Bool]

    init(_ texts: PackedTexts, isUsed: [Bool]) {
        self.texts = texts
        used = isUsed
    }

    init(_ tokens: [String?]) {
        self.init(PackedTexts(tokens.map { $0 ?? "" }), isUsed: tokens.map { $0 != nil })
    }

    /// One more than the largest id.
    var count: Int { (used.lastIndex(of: true) ?? -1) + 1 }

    /// All ids, used or not.
    var indices: Range<Int> { used.indices }

    /// Whether there is a token of this id.
    func isUsed(_ id: Int) -> Bool { used.indices.contains(id) && used[id] }

    subscript(id: Int) -> String? { used[id] ? texts[id] : nil }

    /// Lends the spelling of each id in turn, nil where there is none: all texts, and where this one lies in them.
    func forEach(_ body: (_ bytes: [UInt8], _ range: Range<Int>?) -> Void) {
        for id in used.indices { body(texts.bytes, used[id] ? texts.range(id) : nil) }
    }
}

extension TokenTable {
    /// What each token is looked up by; added tokens are spelled plainly.
    ///
    /// - Parameter isModels: whether the model itself has the token of an id: others are found by who looks for added
    ///   tokens only.
    init(
        _ tokens: SpelledTokens, _ spelling: Spelling = .byteLevel, added: [AddedToken],
        isModels: ((Int) -> Bool)? = nil
    ) {
        let contents = Dictionary(added.map { (Int($0.id), Array($0.content.utf8)) }) { _, last in last }
        self.init(capacity: tokens.indices.count)
        var id = 0
        tokens.forEach { bytes, range in
            if let content = contents[id] {
                append { spelling.key(of: content, content.indices, into: &$0) }
            } else {
                append { if let range { spelling.key(of: bytes, range, into: &$0) } }
            }
            id += 1
        }
        index(where: isModels)
    }

    /// Looks up both halves and the result of each merge, "left right" with a byte between them.
    ///
    /// - Throws: `TextError` for a merge of other than two tokens of the vocabulary.
    func resolve(
        _ lines: PackedTexts, separator: UInt8 = UInt8(ascii: " "), _ spelling: Spelling = .byteLevel, name: String
    ) throws(TextError) -> [(left: Int32, right: Int32, result: Int32)] {
        var merges: [(left: Int32, right: Int32, result: Int32)] = []
        merges.reserveCapacity(lines.count)
        var room: [UInt8] = []
        // Vocabularies number the results of merges in their order.
        var next: Int32 = 0
        for line in lines.indices {
            let range = lines.range(line)
            guard let space = lines.bytes[range].firstIndex(of: separator) else {
                let message =
                    "\(name): merge '\(Self.shown(lines, line, separator))' is not two tokens; fetch the file again"
                throw TextError(code: .malformed, message: message)
            }
            room.removeAll(keepingCapacity: true)
            spelling.key(of: lines.bytes, range.lowerBound..<space, into: &room)
            let middle = room.count
            spelling.key(of: lines.bytes, space + 1..<range.upperBound, into: &room)
            let halves = (id(of: room[..<middle]), id(of: room[middle...]))
            guard let left = halves.0, let right = halves.1, let result = id(of: room[...], probably: next) else {
                let message =
                    "\(name): the merge '\(Self.shown(lines, line, separator))' is not in the vocabulary; fetch the file again"
                throw TextError(code: .malformed, message: message)
            }
            merges.append((left, right, result))
            next = result + 1
        }
        return merges
    }

    private static func shown(_ lines: PackedTexts, _ line: Int, _ separator: UInt8) -> String {
        let bytes = lines.bytes[lines.range(line)].map { $0 == separator ? UInt8(ascii: " ") : $0 }
        return String(decoding: bytes, as: UTF8.self)
    }
}
