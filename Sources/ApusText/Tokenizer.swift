public import Foundation

/// Turns text into the token ids of one model and back: BPE of bytes or of characters, as `tokenizers` and `transformers` do it.
///
/// A tokenizer is immutable and may be used from any number of threads.
public final class Tokenizer: Sendable {
    /// One more than the largest token id.
    public let vocabularySize: Int
    /// The token that begins a text, if the model has one.
    public let bosToken: Int32?
    /// The token that ends a text.
    public let endToken: Int32?
    /// All tokens that end an answer by what the tokenizer's files say: the one that ends a text, and in a GGUF file the markers
    /// that end a turn, whatever type they have there.
    public let endTokens: Set<Int32>
    /// What there is to warn of: one line each.
    public let remarks: [String]
    /// The token that fills rows of a batch, if the model names one.
    public let padToken: Int32?
    /// The source of the chat template, if the model has one.
    public let chatTemplate: String?

    let origin: Origin
    let definition: TokenizerDefinition
    let table: TokenTable
    private let encoder: PieceEncoder
    /// The tokens that stand for a byte, in a vocabulary of characters.
    private let tokenBytes: [Int32: UInt8]
    private let plainMatcher: AddedTokenMatcher
    private let normalizedMatcher: AddedTokenMatcher
    private let addedByID: [Int32: AddedToken]
    /// By their UTF-8: to a dictionary of texts those are one that look the same.
    private let addedByContent: [[UInt8]: Int32]
    /// The tokens that are matched in text as a whole, with their numbers: transformers' `get_added_vocab`.
    public var addedVocabulary: [String: Int32] {
        Dictionary(definition.addedTokens.map { ($0.content, $0.id) }) { first, _ in first }
    }
    let roles: [String: String]
    /// Parsed once; kept as a result so that a model with a broken template still encodes plain text.
    let parsedTemplate: Result<ChatTemplate, TextError>
    /// The one for conversations with tools, where the model has one of its own for them.
    let parsedToolTemplate: Result<ChatTemplate, TextError>?
    /// Whether the template shows a content that is a list of parts.
    let takesParts: Bool

    /// Where a tokenizer came from, which decides how it is saved.
    enum Origin: Sendable {
        case directory(URL)
        case vocabulary(GGUFVocabulary)
    }

    /// Reads tokenizer.json, tokenizer_config.json, special_tokens_map.json and chat_template.jinja of a model folder;
    /// only the first is required, and tekken.json or SentencePiece's tokenizer.model take its place where it is missing.
    ///
    /// - Throws: `TextError` when a file is missing, damaged, or needs a feature that is not implemented.
    public convenience init(directory: URL) throws(TextError) {
        var configuration = try TokenizerConfiguration(directory: directory)
        let definition = try Self.definition(in: directory, &configuration)
        try self.init(definition, configuration, origin: .directory(directory))
    }

    /// What the first of these files says that the folder has.
    private static func definition(
        in directory: URL, _ configuration: inout TokenizerConfiguration
    ) throws(TextError) -> TokenizerDefinition {
        func found(_ name: String) -> URL? {
            let file = directory.appending(path: name)
            return FileManager.default.fileExists(atPath: file.path) ? file : nil
        }
        let whole = directory.appending(path: "tokenizer.json")
        if found("tokenizer.json") == nil {
            if let file = found("tekken.json") {
                configuration.complete(TekkenFile.roles)
                return try TekkenFile(try TokenizerConfiguration.read(file), name: file.path).definition()
            }
            if let file = found("tokenizer.model") {
                let model = try SentencePieceFile(try TokenizerConfiguration.read(file), name: file.path)
                configuration.complete(model.roles)
                return try model.definition()
            }
        }
        return try TokenizerFile(try TokenizerConfiguration.read(whole), name: whole.path)
            .definition(adding: configuration.addedTokens)
    }

    /// Makes the tokenizer of a GGUF file.
    ///
    /// - Throws: `TextError` when the vocabulary is damaged or of a kind that is not implemented.
    package convenience init(vocabulary: GGUFVocabulary) throws(TextError) {
        try self.init(vocabulary.definition(), vocabulary.configuration, origin: .vocabulary(vocabulary))
    }

    /// - Throws: `TextError` where a text could become too long by what the definition does to it.
    init(
        _ definition: TokenizerDefinition, _ configuration: TokenizerConfiguration, origin: Origin
    ) throws(TextError) {
        guard definition.encodingGrowth.isBounded, definition.decodingGrowth.isBounded else {
            throw TextError(
                code: .unsupported,
                message: "steps of the tokenizer that may make a text thousands of times as long are not supported; "
                    + "use a tokenizer with fewer of them")
        }
        let table = definition.table
        let added = definition.addedTokens
        self.table = table
        self.origin = origin
        vocabularySize = definition.tokens.count
        encoder = PieceEncoder(definition)
        tokenBytes = Self.tokenBytes(definition)
        plainMatcher = AddedTokenMatcher(added.filter { !$0.isNormalized })
        normalizedMatcher = AddedTokenMatcher(added.filter(\.isNormalized)) {
            $0.normalizedContent.map { Array($0.utf8) } ?? definition.normalized(Array($0.content.utf8))
        }
        addedByID = Dictionary(added.map { ($0.id, $0) }) { first, _ in first }
        let addedByContent = Dictionary(added.map { (Array($0.content.utf8), $0.id) }) { first, _ in first }
        self.addedByContent = addedByContent
        func id(_ role: String) -> Int32? {
            configuration.roles[role].flatMap {
                addedByContent[Array($0.utf8)] ?? table.id(of: definition.spelling.key(of: $0)[...])
            }
        }
        bosToken = id("bos_token")
        endToken = id("eos_token")
        let (ends, remarks) = Self.facts(origin, definition)
        endTokens = Set([endToken].compactMap(\.self) + ends)
        self.remarks = remarks
        var around = definition
        if configuration.addsBOS == true, let bosToken, !around.prefix.contains(bosToken) {
            around.prefix.insert(bosToken, at: 0)
        }
        if configuration.addsEOS == true, let endToken, !around.suffix.contains(endToken) {
            around.suffix.append(endToken)
        }
        self.definition = around
        padToken = id("pad_token")
        roles = configuration.roles
        chatTemplate = configuration.chatTemplate
        parsedTemplate = Self.parse(configuration.chatTemplate)
        parsedToolTemplate = configuration.toolTemplate.map(Self.parse)
        takesParts = Self.takesParts(parsedTemplate, roles: roles)
    }

    /// What only a GGUF file says.
    private static func facts(
        _ origin: Origin, _ definition: TokenizerDefinition
    ) -> (ends: [Int32], remarks: [String]) {
        guard case .vocabulary(let vocabulary) = origin else { return ([], []) }
        let markers = vocabulary.addedTokens().filter { AddedToken.turnEnds.contains($0.content) }.map(\.id)
        return ([vocabulary.endOfTurnToken].compactMap(\.self) + markers, vocabulary.remarks(on: definition.cuttings))
    }

    private static func tokenBytes(_ definition: TokenizerDefinition) -> [Int32: UInt8] {
        guard case .plain(let spelling) = definition.spelling, spelling.decoding.joinsBytes else { return [:] }
        var bytes: [Int32: UInt8] = [:]
        for id in 0..<Int32(definition.table.count) {
            let token = definition.table.bytes(of: id)
            guard PlainSpelling.byte(of: token) != nil else { continue }
            bytes[id] = PlainSpelling.byte(of: spelling.decoding.text(of: token)[...])
        }
        return bytes
    }

    private static func parse(_ source: String?) -> Result<ChatTemplate, TextError> {
        guard let source else {
            return .failure(
                TextError(
                    code: .missingTemplate,
                    message: "the model has no chat template; use an instruction-tuned model or prompts of plain text"
                )
            )
        }
        return Result { () throws(TextError) in try ChatTemplate(source: source) }
    }
}

// MARK: - Encoding and decoding

extension Tokenizer {
    /// The tokens of a text. Special tokens written in the text are recognised.
    ///
    /// - Parameter addSpecialTokens: whether to put the model's own tokens around the text, such as the one that
    ///   begins every text for Llama-3.
    public func encode(_ text: String, addSpecialTokens: Bool = true) -> [Int32] {
        var tokens = addSpecialTokens ? definition.prefix : []
        var room = PieceEncoder.Room()
        for fragment in plainMatcher.split(Array(text.utf8)) {
            switch fragment {
            case .token(let id): tokens.append(id)
            case .text(let bytes, let at): encodeFragment(bytes, startsText: at == 0, into: &tokens, &room)
            }
        }
        if addSpecialTokens { tokens += definition.suffix }
        return tokens
    }

    private func encodeFragment(
        _ bytes: [UInt8], startsText: Bool, into tokens: inout [Int32], _ room: inout PieceEncoder.Room
    ) {
        let beginning = startsText ? definition.beginning(of: bytes) : 0
        for fragment in normalizedMatcher.split(definition.normalized(bytes)) {
            switch fragment {
            case .token(let id): tokens.append(id)
            case .text(let bytes, let at):
                definition.cuttings.forEachPiece(of: bytes[...], beginning: max(0, beginning - at)) { piece in
                    encoder.encode(piece, into: &tokens, &room)
                }
            }
        }
    }

    /// The text of tokens. Bytes that are not valid UTF-8 become U+FFFD, as Python's `errors="replace"` has it; ids
    /// outside the vocabulary stand for nothing.
    public func decode(_ tokens: [Int32], skipSpecialTokens: Bool = true) -> String {
        if case .plain(let spelling) = definition.spelling {
            var decoder = PieceDecoder(spelling.decoding)
            var text = tokens.flatMap { append($0, skipSpecialTokens: skipSpecialTokens, to: &decoder) }
            text += decoder.finish()
            return String(decoding: text, as: UTF8.self)
        }
        var bytes: [UInt8] = []
        for token in tokens { appendBytes(of: token, skipSpecialTokens: skipSpecialTokens, to: &bytes) }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Gives a token of a vocabulary of characters to a decoder; returns the text that is certain now.
    func append(_ token: Int32, skipSpecialTokens: Bool, to decoder: inout PieceDecoder) -> [UInt8] {
        if skipSpecialTokens, addedByID[token]?.isSpecial == true { return [] }
        if let byte = tokenBytes[token] {
            decoder.append(byte: byte)
            return []
        }
        let piece = table.bytes(of: token)
        return piece.isEmpty ? [] : decoder.append(piece)
    }

    /// Appends the bytes that a token stands for, which may be part of a character.
    package func appendBytes(of token: Int32, skipSpecialTokens: Bool, to bytes: inout [UInt8]) {
        if skipSpecialTokens, addedByID[token]?.isSpecial == true { return }
        if let byte = tokenBytes[token] {
            bytes.append(byte)
        } else if case .plain(let spelling) = definition.spelling {
            bytes += spelling.decoding.text(of: table.bytes(of: token))
        } else {
            bytes += table.bytes(of: token)
        }
    }

    /// The bytes that a token stands for by itself, which may be part of a character; none for an id that there is not.
    public func bytes(of token: Int32) -> [UInt8] {
        var bytes: [UInt8] = []
        appendBytes(of: token, skipSpecialTokens: false, to: &bytes)
        return bytes
    }

    /// Whether tokens spell characters, as SentencePiece has them, where others spell bytes: such a vocabulary marks where a
    /// word, and with it a text, begins.
    package var isOfCharacters: Bool {
        if case .plain = definition.spelling { true } else { false }
    }

    /// Whether a token is no text, such as those that a chat template writes: `decode` leaves it out when it is told to.
    public func isSpecial(_ token: Int32) -> Bool { addedByID[token]?.isSpecial == true }

    /// A token as the vocabulary spells it ("Ġthe"), or nil where there is none.
    public func token(_ id: Int32) -> String? {
        if let added = addedByID[id] { return added.content }
        guard definition.tokens.indices.contains(Int(id)) else { return nil }
        return definition.tokens[Int(id)]
    }

    /// The id of a token that is given as the vocabulary spells it.
    public func id(of token: String) -> Int32? {
        addedByContent[Array(token.utf8)] ?? table.id(of: definition.spelling.key(of: token)[...])
    }
}

extension TokenizerDefinition {
    /// A text after all normalizers.
    func normalized(_ text: [UInt8]) -> [UInt8] { normalizers.reduce(text) { $1.apply(to: $0) } }

    /// How many bytes stand for the first character of a text after all normalizers. Only a mark for the first word asks.
    func beginning(of text: [UInt8]) -> Int {
        let asks = cuttings.contains {
            if case .metaspace(let metaspace) = $0 { metaspace.scheme == .first } else { false }
        }
        guard asks, let first = text.first else { return 0 }
        var text = text
        var length = first.scalarLength
        for normalizer in normalizers where length > 0 {
            let changed = normalizer.apply(to: text)
            length = min(normalizer.beginning(length, of: text, after: changed), changed.count)
            text = changed
            // It may have been composed with what follows.
            while length < text.count, length > 0, text[length] & 0xC0 == 0x80 { length += 1 }
        }
        return length
    }
}
