import ApusFormats

/// The `model` of a tokenizer.json: its tokens, and how pieces become them.
struct ModelFile {
    static let maximumID = 1 << 24
    /// Stands between the halves of a merge, which may hold spaces: UTF-8 knows no such byte.
    private static let separator: UInt8 = 0xFF

    /// The models that there are, by their names in the file.
    private enum Kind: String {
        case bytePairs = "BPE"
        case unigram = "Unigram"
        case wordPiece = "WordPiece"
    }

    private let model: JSONValue
    private let file: TokenizerFile
    private let kind: Kind
    /// Of a Unigram model, by id.
    private var pieces: [(text: String, score: Double)] = []

    init(_ model: JSONValue, of file: TokenizerFile) throws(TextError) {
        self.model = model
        self.file = file
        let type = model["type"]?.string ?? Self.impliedType(model)
        guard let kind = Kind(rawValue: type) else { throw file.unsupported("a '\(type)' model") }
        self.kind = kind
        if kind == .unigram { pieces = try readPieces() }
        guard kind == .bytePairs else { return }
        for key in ["continuing_subword_prefix", "end_of_word_suffix"] {
            if let value = model[key]?.string, !value.isEmpty { throw file.unsupported("'\(key)'") }
        }
    }

    /// Old files do not name their model.
    private static func impliedType(_ model: JSONValue) -> String {
        model["vocab"]?.array != nil ? Kind.unigram.rawValue : Kind.bytePairs.rawValue
    }

    // MARK: Tokens

    /// The tokens by id.
    func vocabulary() throws(TextError) -> [String?] {
        var tokens: [String?] = []
        if kind == .unigram {
            tokens.reserveCapacity(pieces.count)
            for piece in pieces { tokens.append(piece.text) }
        } else {
            guard let members = model["vocab"]?.members else { throw file.malformed("'model.vocab' is not an object") }
            tokens.reserveCapacity(members.count)
            for member in members {
                guard let id = member.value.integer, (0..<file.idLimit).contains(id) else {
                    throw file.malformed("token '\(member.key)' has no id in 0..<\(file.idLimit)")
                }
                Self.set(member.key, at: id, in: &tokens)
            }
        }
        return tokens
    }

    static func set(_ token: String, at id: Int, in tokens: inout [String?]) {
        while tokens.count <= id { tokens.append(nil) }
        tokens[id] = token
    }

    private func readPieces() throws(TextError) -> [(text: String, score: Double)] {
        guard let entries = model["vocab"]?.array, entries.count <= Self.maximumID else {
            throw file.malformed("'model.vocab' is not a list")
        }
        var pieces: [(text: String, score: Double)] = []
        pieces.reserveCapacity(entries.count)
        for entry in entries {
            guard case .array(let pair) = entry, pair.count == 2, let text = pair[0].string, let score = pair[1].number
            else { throw file.malformed("an entry of 'model.vocab' is not a piece and its score") }
            pieces.append((text, score.asSerdeReadsIt))
        }
        return pieces
    }

    // MARK: How tokens stand for text

    /// What characters become that are no tokens.
    func spelling(_ decoding: PieceDecoding) -> PlainSpelling {
        PlainSpelling(
            fallsBackToBytes: fallsBackToBytes, unknownToken: model["unk_token"]?.string,
            fusesUnknown: model["fuse_unk"]?.bool ?? false, decoding: decoding)
    }

    var fallsBackToBytes: Bool { model["byte_fallback"]?.bool ?? false }

    // MARK: How pieces become tokens

    func rules(_ table: TokenTable, _ spelling: Spelling) throws(TextError) -> TokenizerModel {
        switch kind {
        case .bytePairs:
            let merges = try table.resolve(merges(), separator: Self.separator, spelling, name: file.name)
            return .bytePairs(
                BytePairRules(
                    merges: merges, ignoresMerges: model["ignore_merges"]?.bool ?? false,
                    unknown: model["unk_token"]?.string.flatMap { table.id(of: spelling.key(of: $0)[...]) },
                    fusesUnknown: model["fuse_unk"]?.bool ?? false))
        case .unigram: return .unigram(try unigram())
        case .wordPiece:
            return .wordPiece(
                WordPieceEncoder.Rules(
                    prefix: model["continuing_subword_prefix"]?.string ?? "##",
                    maximumCharacters: model["max_input_chars_per_word"]?.integer ?? 100,
                    unknownToken: model["unk_token"]?.string ?? "[UNK]"))
        }
    }

    private func unigram() throws(TextError) -> UnigramVocabulary {
        let unknown = model["unk_id"]?.integer
        guard unknown.map(pieces.indices.contains) ?? true else {
            throw file.malformed("'model.unk_id' is not the number of a piece")
        }
        let texts = PackedTexts(pieces.lazy.map(\.text))
        guard texts.bytes.count < ByteTrie.nodeLimit else { throw file.unsupported("a vocabulary of over 16 MB") }
        return UnigramVocabulary(
            pieces: texts, scores: pieces.map(\.score), unknown: unknown.map { Int32(truncatingIfNeeded: $0) })
    }

    /// Merges are "left right" in older files and ["left", "right"] in newer ones.
    private func merges() throws(TextError) -> PackedTexts {
        guard let merges = model["merges"]?.array else { throw file.malformed("'model.merges' is not a list") }
        var lines = PackedTexts([])
        for merge in merges {
            switch merge {
            case .string(let line):
                guard let space = line.utf8.firstIndex(of: UInt8(ascii: " ")) else {
                    throw file.malformed("the merge '\(line)' is not two tokens")
                }
                lines.append(line[..<space], line[line.utf8.index(after: space)...], separator: Self.separator)
            case .array(let halves):
                guard halves.count == 2, let left = halves[0].string, let right = halves[1].string else {
                    throw file.malformed("a merge is not two tokens")
                }
                lines.append(left, right, separator: Self.separator)
            default: throw file.malformed("a merge is neither a string nor a pair")
            }
        }
        return lines
    }
}

extension Double {
    /// The number that serde_json, with which the tokenizers library reads its files, makes of the shortest spelling: all digits
    /// as a double, and that times a power of ten. Of sixteen digits it is at times the neighbour of the nearest double, and
    /// ways through a text that are worth the same are told apart by the last bit.
    fileprivate var asSerdeReadsIt: Double {
        let parts = "\(magnitude)".split(separator: "e")
        let digits = parts[0].split(separator: ".", omittingEmptySubsequences: false)
        let fraction = digits.count > 1 ? digits[1] : ""
        var exponent = (parts.count > 1 ? Int(parts[1]) ?? 0 : 0) - fraction.utf8.count
        guard isFinite, let significand = UInt64(digits[0] + fraction) else { return self }
        var value = Double(significand)
        // Powers beyond the largest double are divided by in two steps.
        while exponent < -308 {
            value /= 1e308
            exponent += 308
        }
        guard let power = Double("1e\(abs(exponent))") else { return self }
        value = exponent < 0 ? value / power : value * power
        return sign == .minus ? -value : value
    }
}
