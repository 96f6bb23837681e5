/// Reads tokenizer.json, the format of Hugging Face's `tokenizers`. Whatever would change an encoding and is not
/// implemented is refused by name.
struct TokenizerFile {
    let root: JSONValue
    let name: String
    /// One more than the largest id that there may be.
    let idLimit: Int

    /// - Parameters:
    ///   - name: what errors call the file.
    ///   - unusedLimit: how many ids may have no token: each takes memory, and a small file could ask for all there is.
    /// - Throws: `TextError` for what is no JSON.
    init(_ bytes: [UInt8], name: String, unusedLimit: Int = 1 << 20) throws(TextError) {
        root = try TokenizerConfiguration.json(bytes, name: name)
        self.name = name
        let vocabulary = root["model"]?["vocab"]
        let count = vocabulary?.members?.count ?? vocabulary?.array?.count ?? 0
        idLimit = min(ModelFile.maximumID, count + (root["added_tokens"]?.array?.count ?? 0) + unusedLimit)
    }

    /// - Parameter more: tokens that tokenizer_config.json lists by their ids; those that are here already change nothing.
    func definition(adding more: [JSONValue.Member] = []) throws(TextError) -> TokenizerDefinition {
        let model = try checkedModel()
        var added = try addedTokens()
        var vocabulary = try model.vocabulary()
        let isModels = vocabulary.map { $0 != nil }
        for token in added { ModelFile.set(token.content, at: Int(token.id), in: &vocabulary) }
        for token in try lackingTokens(more, vocabulary, added) {
            added.append(token)
            ModelFile.set(token.content, at: Int(token.id), in: &vocabulary)
        }
        let tokens = SpelledTokens(vocabulary)
        let spelling = try spelling(model)
        let table = TokenTable(tokens, spelling, added: added) { isModels.indices.contains($0) && isModels[$0] }
        let (prefix, suffix) = try surroundings(root["post_processor"] ?? .null)
        if let id = (prefix + suffix).first(where: { !tokens.isUsed(Int($0)) }) {
            throw malformed("'post_processor' puts token \(id) around a text, which there is not")
        }
        return TokenizerDefinition(
            tokens: tokens, spelling: spelling, table: table, model: try model.rules(table, spelling),
            addedTokens: added,
            normalizers: try normalizers(), cuttings: try cuttings(), prefix: prefix, suffix: suffix)
    }

    func unsupported(_ what: String) -> TextError {
        TextError(
            code: .unsupported,
            message:
                "\(name): \(what) is not supported; use a model whose tokenizer.json does without, or a GGUF file of the "
                + "model"
        )
    }

    func malformed(_ what: String) -> TextError {
        TextError(code: .malformed, message: "\(name): \(what); fetch the file again")
    }
}

// MARK: - Tokens

extension TokenizerFile {
    private func checkedModel() throws(TextError) -> ModelFile {
        guard let model = root["model"] else { throw malformed("no 'model'") }
        return try ModelFile(model, of: self)
    }

    private func addedTokens() throws(TextError) -> [AddedToken] {
        var tokens: [AddedToken] = []
        for value in root["added_tokens"]?.array ?? [] {
            guard let content = value["content"]?.string, let id = value["id"]?.integer,
                (0..<idLimit).contains(id)
            else {
                throw malformed("an entry of 'added_tokens' lacks 'content' or an 'id' in 0..<\(idLimit)")
            }
            tokens.append(addedToken(value, content, id))
        }
        return tokens
    }

    private func addedToken(_ value: JSONValue, _ content: String, _ id: Int) -> AddedToken {
        AddedToken(
            id: Int32(id), content: content, isSpecial: value["special"]?.bool ?? false,
            isNormalized: value["normalized"]?.bool ?? false,
            stripsLeft: value["lstrip"]?.bool ?? false, stripsRight: value["rstrip"]?.bool ?? false,
            isWord: value["single_word"]?.bool ?? false
        )
    }

    /// The listed tokens that are not added yet, in the order of their ids: of the vocabulary with its id, others behind it.
    private func lackingTokens(
        _ listed: [JSONValue.Member], _ vocabulary: [String?], _ added: [AddedToken]
    ) throws(TextError) -> [AddedToken] {
        // By their UTF-8: texts that look the same are other tokens.
        let known = Set(added.map { Array($0.content.utf8) })
        let lacking = listed.compactMap { member in
            Int(member.key).flatMap { id in member.value["content"]?.string.map { (id, $0, member.value) } }
        }.filter { !known.contains(Array($0.1.utf8)) && !$0.1.isEmpty }.sorted { $0.0 < $1.0 }
        guard !lacking.isEmpty else { return [] }
        var ids: [[UInt8]: Int] = [:]
        for (id, token) in vocabulary.enumerated() { if let token { ids[Array(token.utf8)] = id } }
        var next = vocabulary.count
        var tokens: [AddedToken] = []
        for (_, content, value) in lacking {
            let key = Array(content.utf8)
            let id = ids[key] ?? next
            if id == next { next += 1 }
            ids[key] = id
            tokens.append(addedToken(value, content, id))
        }
        return tokens
    }
}

// MARK: - Around a text

extension TokenizerFile {
    /// The steps of a pipeline: a 'Sequence' stands for what it lists.
    func flatten(_ value: JSONValue, list: String) -> [JSONValue] {
        guard case .object = value else { return [] }
        guard value["type"]?.string == "Sequence" else { return [value] }
        return (value[list]?.array ?? []).flatMap { flatten($0, list: list) }
    }

    /// The special tokens that 'post_processor' puts around a single text; later steps put theirs around those of earlier ones.
    /// To the library what a 'TemplateProcessing' made is several texts, between which later steps would put theirs.
    private func surroundings(_ value: JSONValue) throws(TextError) -> (prefix: [Int32], suffix: [Int32]) {
        var prefix: [Int32] = []
        var suffix: [Int32] = []
        var hasParts = false
        for step in flatten(value, list: "processors") where step["type"]?.string != "ByteLevel" {
            if hasParts { throw unsupported("a post-processor behind a 'TemplateProcessing'") }
            switch step["type"]?.string ?? "" {
            case "RobertaProcessing", "BertProcessing":
                prefix = [try special(step["cls"])] + prefix
                suffix.append(try special(step["sep"]))
            case "TemplateProcessing":
                let (before, behind) = try template(step)
                prefix = before + prefix
                suffix += behind
                hasParts = step["single"]?.array?.count != 1
            case let type: throw unsupported("a '\(type)' post-processor")
            }
        }
        return (prefix, suffix)
    }

    /// `["</s>", 2]`
    private func special(_ value: JSONValue?) throws(TextError) -> Int32 {
        guard let pair = value?.array, pair.count == 2 else { throw malformed("'post_processor' lacks 'cls' or 'sep'") }
        return try tokenID(pair[1])
    }

    private func tokenID(_ value: JSONValue) throws(TextError) -> Int32 {
        guard let id = value.integer, (0..<idLimit).contains(id) else {
            throw malformed("'post_processor' has an id that is not in 0..<\(idLimit)")
        }
        return Int32(id)
    }

    private func template(_ step: JSONValue) throws(TextError) -> (prefix: [Int32], suffix: [Int32]) {
        var prefix: [Int32] = []
        var suffix: [Int32] = []
        var hasText = false
        for piece in step["single"]?.array ?? [] {
            if piece["Sequence"] != nil {
                if hasText { throw unsupported("a 'TemplateProcessing' that repeats a text") }
                hasText = true
            }
            guard let token = piece["SpecialToken"]?["id"]?.string else { continue }
            for id in step["special_tokens"]?[token]?["ids"]?.array ?? [] {
                if hasText { suffix.append(try tokenID(id)) } else { prefix.append(try tokenID(id)) }
            }
        }
        guard hasText else { throw unsupported("a 'TemplateProcessing' without a text") }
        return (prefix, suffix)
    }
}
