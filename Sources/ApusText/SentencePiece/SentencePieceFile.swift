/// A `tokenizer.model`: SentencePiece's ModelProto.
///
/// Layout: field 1, repeated, is a piece (1 its text, 2 its score, 3 its type); field 2 says how the model was trained (3 the
/// kind of model, 35 whether characters fall back to bytes, 40 to 43 the ids of the unknown, first, last and padding token);
/// field 3 how text is normalised (2 the table of replacements, 3 whether a space is put before a text, 4 whether superfluous
/// white space goes).
struct SentencePieceFile {
    private static let pieceLimit = 1 << 24

    private let bytes: [UInt8]
    private let name: String
    private var texts = PackedTexts([])
    private var scores: [Float] = []
    private var types: [Int32] = []
    private var isUnigram = true
    private var fallsBackToBytes = false
    private var unknownToken: Int32 = 0
    private var bosToken: Int32 = 1
    private var endToken: Int32 = 2
    private var padToken: Int32 = -1
    private var table: Range<Int>?
    private var prependsSpace = true
    private var collapsesSpaces = true

    /// - Parameter name: what errors call the file.
    /// - Throws: `TextError` for what is no such file.
    init(_ bytes: [UInt8], name: String) throws(TextError) {
        self.bytes = bytes
        self.name = name
        do throws(ProtobufReader.Failure) {
            try read()
        } catch {
            throw TextError(
                code: .malformed,
                message:
                    "\(name): wanted a SentencePiece model, found damage at byte \(error.offset); fetch the file again")
        }
        guard !types.isEmpty, types.count <= Self.pieceLimit, texts.bytes.count < ByteTrie.nodeLimit else {
            throw TextError(
                code: .malformed,
                message: "\(name): wanted a SentencePiece model with pieces, found \(types.count); fetch the file again"
            )
        }
    }

    private mutating func read() throws(ProtobufReader.Failure) {
        var reader = ProtobufReader(bytes)
        while let (field, value) = try reader.next() {
            guard case .bytes(let range) = value else { continue }
            switch field {
            case 1: try readPiece(range)
            case 2: try readTraining(range)
            case 3: try readNormalization(range)
            default: break
            }
        }
    }

    private mutating func readPiece(_ range: Range<Int>) throws(ProtobufReader.Failure) {
        var reader = ProtobufReader(bytes, range)
        var text = ""
        var (score, type): (Float, Int32) = (0, 1)
        while let (field, value) = try reader.next() {
            switch (field, value) {
            case (1, .bytes(let range)): text = String(decoding: bytes[range], as: UTF8.self)
            case (2, .float(let value)): score = value.isFinite ? value : 0
            case (3, .integer(let value)): type = Int32(truncatingIfNeeded: value)
            default: break
            }
        }
        texts.append(text)
        scores.append(score)
        types.append(type)
    }

    private mutating func readTraining(_ range: Range<Int>) throws(ProtobufReader.Failure) {
        var reader = ProtobufReader(bytes, range)
        while let (field, value) = try reader.next() {
            guard case .integer(let value) = value else { continue }
            switch field {
            case 3: isUnigram = value != 2
            case 35: fallsBackToBytes = value != 0
            case 40: unknownToken = Int32(truncatingIfNeeded: value)
            case 41: bosToken = Int32(truncatingIfNeeded: value)
            case 42: endToken = Int32(truncatingIfNeeded: value)
            case 43: padToken = Int32(truncatingIfNeeded: value)
            default: break
            }
        }
    }

    private mutating func readNormalization(_ range: Range<Int>) throws(ProtobufReader.Failure) {
        var reader = ProtobufReader(bytes, range)
        while let (field, value) = try reader.next() {
            switch (field, value) {
            case (2, .bytes(let range)): table = range.isEmpty ? nil : range
            case (3, .integer(let value)): prependsSpace = value != 0
            case (4, .integer(let value)): collapsesSpaces = value != 0
            default: break
            }
        }
    }
}

extension SentencePieceFile {
    /// What the file says, in the form in which a GGUF file holds the same.
    private var vocabulary: GGUFVocabulary {
        var vocabulary = GGUFVocabulary(
            tokens: texts, merges: PackedTexts([]), tokenTypes: types, model: "llama", name: name)
        vocabulary.scores = scores
        vocabulary.addsSpacePrefix = prependsSpace
        (vocabulary.unknownToken, vocabulary.bosToken) = (unknownToken, bosToken)
        (vocabulary.endToken, vocabulary.padToken) = (endToken, padToken)
        return vocabulary
    }

    /// The tokens with a role, where the files beside it name none.
    var roles: [String: String] { vocabulary.configuration.roles }

    /// - Throws: `TextError` where the table of replacements is damaged.
    func definition() throws(TextError) -> TokenizerDefinition {
        var definition = isUnigram ? unigramDefinition() : try vocabulary.sentencePieceDefinition()
        var first: [Normalizer] = []
        if let table {
            guard let map = CharacterMap(Array(bytes[table]), reading: .longestPrefix) else {
                throw TextError(
                    code: .malformed, message: "\(name): the table of replacements is damaged; fetch the file again")
            }
            first.append(.characterMap(map))
        }
        if collapsesSpaces { first.append(.collapseSpaces) }
        definition.normalizers = first + definition.normalizers
        if collapsesSpaces, case .plain(var spelling) = definition.spelling {
            // A text that was normalised begins with no space.
            spelling.decoding.lostSpaces = .max
            definition.spelling = .plain(spelling)
        }
        // SentencePiece looks for these where spaces are marks and a text has its first.
        for place in definition.addedTokens.indices where !definition.addedTokens[place].isSpecial {
            definition.addedTokens[place].isNormalized = true
            definition.addedTokens[place].normalizedContent =
                definition.addedTokens[place].content.replacing(" ", with: Metaspace.mark)
        }
        return definition
    }

    private func unigramDefinition() -> TokenizerDefinition {
        let vocabulary = vocabulary
        let added = vocabulary.addedTokens()
        let spelled = SpelledTokens(texts, isUsed: texts.indices.map(vocabulary.isUsed))
        var plain = vocabulary.plainSpelling
        plain.fallsBackToBytes = fallsBackToBytes
        let spelling = Spelling.plain(plain)
        return TokenizerDefinition(
            tokens: spelled, spelling: spelling, table: TokenTable(spelled, spelling, added: added),
            model: .unigram(unigram), addedTokens: added, normalizers: vocabulary.spaceNormalizers, cuttings: [],
            prefix: vocabulary.prefix)
    }

    /// Only normal pieces are found in text; the others keep their places.
    private var unigram: UnigramVocabulary {
        let lowest: Float = zip(types, scores).filter { $0.0 == 1 }.map { $0.1 }.min() ?? 0
        var pieces = PackedTexts([])
        for (place, type) in types.enumerated() { pieces.append(type == 1 ? texts[place] : "") }
        let worth = zip(types, scores).map { Double($0.0 == 1 ? $0.1 : lowest) }
        return UnigramVocabulary(
            pieces: pieces, scores: worth, unknown: vocabulary.used(unknownToken), roundsSums: true)
    }
}
