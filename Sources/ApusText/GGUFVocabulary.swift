/// The tokenizer inside a GGUF file, as plain arrays: the keys under `tokenizer.` with their names.
package struct GGUFVocabulary: Sendable {
    /// `tokenizer.ggml.model`: "gpt2" is BPE of bytes, "llama" SentencePiece's BPE of characters; others are not read.
    package var model: String
    /// `tokenizer.ggml.pre`: which split pattern the model was trained with.
    package var pre: String?
    /// `tokenizer.ggml.tokens`, by id.
    package var tokens: PackedTexts
    /// `tokenizer.ggml.token_type`: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte. May be empty.
    package var tokenTypes: [Int32]
    /// `tokenizer.ggml.merges`: "left right", best first; none where scores take their place.
    package var merges: PackedTexts
    /// `tokenizer.ggml.scores` of SentencePiece: what is higher is merged first.
    package var scores: [Float] = []
    /// `tokenizer.ggml.add_space_prefix`; nil is true for SentencePiece.
    package var addsSpacePrefix: Bool?
    /// `tokenizer.ggml.bos_token_id`.
    package var bosToken: Int32?
    /// `tokenizer.ggml.eos_token_id`.
    package var endToken: Int32?
    /// `tokenizer.ggml.eot_token_id`.
    package var endOfTurnToken: Int32?
    /// `tokenizer.ggml.unknown_token_id`.
    package var unknownToken: Int32?
    /// `tokenizer.ggml.padding_token_id`.
    package var padToken: Int32?
    /// `tokenizer.ggml.add_bos_token`; nil leaves it to the family: Llama-3 adds it, the others do not.
    package var addsBOS: Bool?
    /// `tokenizer.ggml.add_eos_token`.
    package var addsEOS: Bool?
    /// `tokenizer.chat_template`.
    package var chatTemplate: String?
    /// What errors call the file.
    package var name: String

    /// Makes a vocabulary; the properties that are not parameters start out nil.
    package init(
        tokens: PackedTexts, merges: PackedTexts, tokenTypes: [Int32] = [], pre: String? = nil, model: String = "gpt2",
        name: String = "GGUF file"
    ) {
        self.tokens = tokens
        self.merges = merges
        self.tokenTypes = tokenTypes
        self.pre = pre
        self.model = model
        self.name = name
    }
}

extension GGUFVocabulary {
    /// Whether it is SentencePiece's.
    var isSentencePiece: Bool { model == "llama" }

    /// Control and unknown tokens and markers are special, other user-defined ones are only cut out of the text.
    func addedTokens() -> [AddedToken] {
        zip(tokens.indices, tokenTypes).compactMap { id, type in
            switch type {
            case 2, 3: AddedToken(id: Int32(id), content: tokens[id], isSpecial: true)
            // Many files call the markers of the chat format normal or user-defined tokens.
            case 1, 4: addedToken(Int32(id), isUserDefined: type == 4)
            default: nil
            }
        }
    }

    private func addedToken(_ id: Int32, isUserDefined: Bool) -> AddedToken? {
        let range = tokens.range(Int(id))
        let isMarker = AddedToken.isMarker(tokens.bytes[range])
        guard isUserDefined || isMarker else { return nil }
        return AddedToken(id: id, content: tokens[Int(id)], isSpecial: isMarker)
    }

    /// Whether an entry is a token, and no padding that only fills the embedding matrix.
    func isUsed(_ id: Int) -> Bool { !tokenTypes.indices.contains(id) || tokenTypes[id] != 5 }

    /// The id, if it is one of a token.
    func used(_ id: Int32?) -> Int32? {
        id.flatMap { tokens.indices.contains(Int($0)) && isUsed(Int($0)) ? $0 : nil }
    }

    var prefix: [Int32] {
        guard let bosToken = used(bosToken), addsBOS ?? (isSentencePiece || addsFamilyBOS) else {
            return []
        }
        return [bosToken]
    }

    var suffix: [Int32] {
        guard let endToken = used(endToken), addsEOS == true else { return [] }
        return [endToken]
    }

    func definition() throws(TextError) -> TokenizerDefinition {
        if isSentencePiece { return try sentencePieceDefinition() }
        let family = try family()
        let added = addedTokens()
        let spelled = SpelledTokens(tokens, isUsed: tokens.indices.map(isUsed))
        let table = TokenTable(spelled, added: added)
        return TokenizerDefinition(
            tokens: spelled, table: table,
            model: .bytePairs(
                BytePairRules(merges: try table.resolve(merges, name: name), ignoresMerges: family.ignoresMerges)),
            addedTokens: added, normalizers: family.composesUnicode ? [.form(.composed)] : [],
            cuttings: family.cuttings, prefix: prefix, suffix: suffix
        )
    }

    /// The text of the token with a role, if the file names one.
    func token(_ id: Int32?) -> String? {
        guard let id, tokens.indices.contains(Int(id)) else { return nil }
        return tokens[Int(id)]
    }

    var configuration: TokenizerConfiguration {
        var configuration = TokenizerConfiguration()
        configuration.roles = [
            "bos_token": token(bosToken), "eos_token": token(endToken), "pad_token": token(padToken),
            "unk_token": token(unknownToken),
        ].compactMapValues { $0 }
        configuration.chatTemplate = chatTemplate
        return configuration
    }
}
