public import Foundation

/// Turns text into the token ids of one model and back: byte-level BPE, as `tokenizers` and `transformers` do it.
///
/// A tokenizer is immutable and may be used from any number of threads.
public final class Tokenizer: Sendable {
    /// One more than the largest token id.
    public let vocabularySize: Int
    /// The token that begins a text, if the model has one.
    public let bosToken: Int32?
    /// The token that ends a text.
    public let endToken: Int32?
    /// The token that fills rows of a batch, if the model names one.
    public let padToken: Int32?
    /// The source of the chat template, if the model has one.
    public let chatTemplate: String?

    let origin: Origin
    let definition: TokenizerDefinition
    let table: TokenTable
    private let encoder: BytePairEncoder
    private let plainMatcher: AddedTokenMatcher
    private let normalizedMatcher: AddedTokenMatcher
    private let addedByID: [Int32: AddedToken]
    private let addedByContent: [String: Int32]
    /// The tokens that are matched in text as a whole, with their numbers: transformers' `get_added_vocab`.
    public var addedVocabulary: [String: Int32] { addedByContent }
    let roles: [String: String]
    /// Parsed once; kept as a result so that a model with a broken template still encodes plain text.
    let parsedTemplate: Result<ChatTemplate, TextError>
    /// Whether the template shows a content that is a list of parts.
    let takesParts: Bool

    /// Where a tokenizer came from, which decides how it is saved.
    enum Origin: Sendable {
        case directory(URL)
        case vocabulary(GGUFVocabulary)
    }

    /// Reads tokenizer.json, tokenizer_config.json, special_tokens_map.json and chat_template.jinja of a model folder;
    /// only the first is required.
    ///
    /// - Throws: `TextError` when a file is missing, damaged, or needs a feature that is not implemented.
    public convenience init(directory: URL) throws(TextError) {
        let file = directory.appending(path: "tokenizer.json")
        let definition = try TokenizerFile(try TokenizerConfiguration.read(file), name: file.path).definition()
        try self.init(definition, TokenizerConfiguration(directory: directory), origin: .directory(directory))
    }

    /// Makes the tokenizer of a GGUF file.
    ///
    /// - Throws: `TextError` when the vocabulary is damaged or of a kind that is not implemented.
    package convenience init(vocabulary: GGUFVocabulary) throws(TextError) {
        try self.init(vocabulary.definition(), vocabulary.configuration, origin: .vocabulary(vocabulary))
    }

    private init(
        _ definition: TokenizerDefinition, _ configuration: TokenizerConfiguration, origin: Origin
    ) throws(TextError) {
        let table = definition.table
        let added = definition.addedTokens
        self.definition = definition
        self.table = table
        self.origin = origin
        vocabularySize = definition.tokens.count
        let byteTokens = (UInt8.min...UInt8.max).map { table.id(of: [$0]) ?? -1 }
        encoder = BytePairEncoder(byteTokens: byteTokens, merges: definition.merges)
        plainMatcher = AddedTokenMatcher(added.filter { !$0.isNormalized })
        normalizedMatcher = AddedTokenMatcher(added.filter(\.isNormalized)) {
            definition.composesUnicode ? composed($0) : $0
        }
        addedByID = Dictionary(added.map { ($0.id, $0) }) { first, _ in first }
        let addedByContent = Dictionary(added.map { ($0.content, $0.id) }) { first, _ in first }
        self.addedByContent = addedByContent
        func id(_ role: String) -> Int32? {
            configuration.roles[role].flatMap { addedByContent[$0] ?? table.id(of: ByteAlphabet.decode($0)[...]) }
        }
        bosToken = id("bos_token")
        endToken = id("eos_token")
        padToken = id("pad_token")
        roles = configuration.roles
        chatTemplate = configuration.chatTemplate
        parsedTemplate = Self.parse(configuration.chatTemplate)
        takesParts = Self.takesParts(parsedTemplate, roles: roles)
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
        for fragment in plainMatcher.split(Array(text.utf8)) {
            switch fragment {
            case .token(let id): tokens.append(id)
            case .text(let bytes): encodeFragment(bytes, into: &tokens)
            }
        }
        if addSpecialTokens { tokens += definition.suffix }
        return tokens
    }

    private func encodeFragment(_ bytes: [UInt8], into tokens: inout [Int32]) {
        let text = definition.composesUnicode ? composed(bytes) : bytes
        for fragment in normalizedMatcher.split(text) {
            switch fragment {
            case .token(let id): tokens.append(id)
            case .text(let bytes):
                definition.pattern.split(bytes) { range in
                    let piece = bytes[range]
                    if definition.ignoresMerges, let id = table.id(of: piece) {
                        tokens.append(id)
                    } else {
                        encoder.encode(piece, into: &tokens)
                    }
                }
            }
        }
    }

    /// The text of tokens. Bytes that are not valid UTF-8 become U+FFFD, as Python's `errors="replace"` has it; ids
    /// outside the vocabulary stand for nothing.
    public func decode(_ tokens: [Int32], skipSpecialTokens: Bool = true) -> String {
        var bytes: [UInt8] = []
        for token in tokens { appendBytes(of: token, skipSpecialTokens: skipSpecialTokens, to: &bytes) }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Appends the bytes that a token stands for, which may be part of a character.
    package func appendBytes(of token: Int32, skipSpecialTokens: Bool, to bytes: inout [UInt8]) {
        if skipSpecialTokens, addedByID[token]?.isSpecial == true { return }
        bytes += table.bytes(of: token)
    }

    /// A token as the vocabulary spells it ("Ġthe"), or nil where there is none.
    public func token(_ id: Int32) -> String? {
        if let added = addedByID[id] { return added.content }
        guard definition.tokens.indices.contains(Int(id)) else { return nil }
        return definition.tokens[Int(id)]
    }

    /// The id of a token that is given as the vocabulary spells it.
    public func id(of token: String) -> Int32? {
        addedByContent[token] ?? table.id(of: ByteAlphabet.decode(token)[...])
    }
}

/// Normalisation form C. Text below U+0300 is composed already.
private func composed(_ text: String) -> String {
    text.unicodeScalars.allSatisfy { $0.value < 0x300 } ? text : text.precomposedStringWithCanonicalMapping
}

private func composed(_ bytes: [UInt8]) -> [UInt8] {
    // U+0300 is CC 80: no text of lower lead bytes needs composing.
    bytes.allSatisfy { $0 < 0xCC } ? bytes : Array(composed(String(decoding: bytes, as: UTF8.self)).utf8)
}
