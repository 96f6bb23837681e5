/// Reads tokenizer.json, the format of Hugging Face's `tokenizers`. Whatever would change an encoding and is not
/// implemented is refused by name.
struct TokenizerFile {
    private static let maximumID = 1 << 24
    let root: JSONValue
    let name: String

    init(_ bytes: [UInt8], name: String) throws(TextError) {
        root = try TokenizerConfiguration.json(bytes, name: name)
        self.name = name
    }

    /// - Parameter more: tokens that tokenizer_config.json lists by their ids; those that are here already change nothing.
    func definition(adding more: [JSONValue.Member] = []) throws(TextError) -> TokenizerDefinition {
        let model = try checkedModel()
        var added = try addedTokens()
        var vocabulary = try vocabulary(model, added)
        for token in try lackingTokens(more, vocabulary, added) {
            added.append(token)
            Self.set(token.content, at: Int(token.id), in: &vocabulary)
        }
        let tokens = SpelledTokens(vocabulary)
        let spelling = try spelling(model)
        let table = TokenTable(tokens, spelling, added: added)
        let merges = try table.resolve(merges(model), spelling, name: name)
        let template = try postProcessor(root["post_processor"] ?? .null)
        let ignoresMerges = model["ignore_merges"]?.bool ?? false
        return TokenizerDefinition(
            tokens: tokens, spelling: spelling, table: table, merges: merges, addedTokens: added,
            normalizers: try normalizers(),
            cutting: try cutting(spelling),
            ignoresMerges: ignoresMerges, prefix: template.prefix, suffix: template.suffix
        )
    }

    func unsupported(_ what: String) -> TextError {
        TextError(
            code: .unsupported,
            message:
                "\(name): \(what) is not supported; use a model whose tokenizer is BPE, of bytes (GPT-2, SmolLM, Qwen, "
                + "Llama 3) or of characters (Llama 2, Mistral, Gemma)"
        )
    }

    func malformed(_ what: String) -> TextError {
        TextError(code: .malformed, message: "\(name): \(what); fetch the file again")
    }
}

// MARK: - Model

extension TokenizerFile {
    private func checkedModel() throws(TextError) -> JSONValue {
        guard let model = root["model"] else { throw malformed("no 'model'") }
        if let type = model["type"]?.string, type != "BPE" { throw unsupported("a '\(type)' model") }
        for key in ["continuing_subword_prefix", "end_of_word_suffix"] {
            if let value = model[key]?.string, !value.isEmpty { throw unsupported("'\(key)'") }
        }
        return model
    }

    private func vocabulary(_ model: JSONValue, _ added: [AddedToken]) throws(TextError) -> [String?] {
        guard let members = model["vocab"]?.members else { throw malformed("'model.vocab' is not an object") }
        var tokens: [String?] = []
        tokens.reserveCapacity(members.count + added.count)
        for member in members {
            guard let id = member.value.integer, (0..<Self.maximumID).contains(id) else {
                throw malformed("token '\(member.key)' has no id in 0..<\(Self.maximumID)")
            }
            Self.set(member.key, at: id, in: &tokens)
        }
        for token in added { Self.set(token.content, at: Int(token.id), in: &tokens) }
        return tokens
    }

    private static func set(_ token: String, at id: Int, in tokens: inout [String?]) {
        while tokens.count <= id { tokens.append(nil) }
        tokens[id] = token
    }

    /// Merges are "left right" in older files and ["left", "right"] in newer ones.
    private func merges(_ model: JSONValue) throws(TextError) -> PackedTexts {
        guard let merges = model["merges"]?.array else { throw malformed("'model.merges' is not a list") }
        var lines = PackedTexts([])
        for merge in merges {
            switch merge {
            case .string(let line): lines.append(line)
            case .array(let halves):
                guard halves.count == 2, let left = halves[0].string, let right = halves[1].string else {
                    throw malformed("a merge is not two tokens")
                }
                lines.append("\(left) \(right)")
            default: throw malformed("a merge is neither a string nor a pair")
            }
        }
        return lines
    }

    private func addedTokens() throws(TextError) -> [AddedToken] {
        var tokens: [AddedToken] = []
        for value in root["added_tokens"]?.array ?? [] {
            guard let content = value["content"]?.string, let id = value["id"]?.integer,
                (0..<Self.maximumID).contains(id)
            else { throw malformed("an entry of 'added_tokens' lacks 'content' or an 'id' in 0..<\(Self.maximumID)") }
            tokens.append(try addedToken(value, content, id))
        }
        return tokens
    }

    private func addedToken(_ value: JSONValue, _ content: String, _ id: Int) throws(TextError) -> AddedToken {
        if value["single_word"]?.bool == true { throw unsupported("'single_word' of token '\(content)'") }
        return AddedToken(
            id: Int32(id), content: content, isSpecial: value["special"]?.bool ?? false,
            isNormalized: value["normalized"]?.bool ?? false,
            stripsLeft: value["lstrip"]?.bool ?? false, stripsRight: value["rstrip"]?.bool ?? false
        )
    }

    /// The listed tokens that are not added yet, in the order of their ids: of the vocabulary with its id, others behind it.
    private func lackingTokens(
        _ listed: [JSONValue.Member], _ vocabulary: [String?], _ added: [AddedToken]
    ) throws(TextError) -> [AddedToken] {
        let known = Set(added.map(\.content))
        let lacking = listed.compactMap { member in
            Int(member.key).flatMap { id in member.value["content"]?.string.map { (id, $0, member.value) } }
        }.filter { !known.contains($0.1) && !$0.1.isEmpty }.sorted { $0.0 < $1.0 }
        guard !lacking.isEmpty else { return [] }
        var ids: [String: Int] = [:]
        for (id, token) in vocabulary.enumerated() { if let token { ids[token] = id } }
        var next = vocabulary.count
        var tokens: [AddedToken] = []
        for (_, content, value) in lacking {
            if ids[content] == nil {
                ids[content] = next
                next += 1
            }
            tokens.append(try addedToken(value, content, ids[content] ?? next))
        }
        return tokens
    }
}

// MARK: - Pipeline

extension TokenizerFile {
    /// Recognises the pattern from the objects of 'pre_tokenizer', flattened.
    func splitPattern(_ steps: [JSONValue]) throws(TextError) -> SplitPattern {
        var pattern: SplitPattern?
        var digitsApart = false
        for step in steps {
            switch step["type"]?.string ?? "" {
            case "Split" where pattern == nil && !digitsApart: pattern = try splitPattern(step)
            case "Digits" where pattern == nil:
                guard step["individual_digits"]?.bool == true else { throw unsupported("'Digits' in groups") }
                digitsApart = true
            case "ByteLevel":
                if step["add_prefix_space"]?.bool == true { throw unsupported("'add_prefix_space'") }
                guard step["use_regex"]?.bool ?? true else { break }
                guard pattern == nil else { throw unsupported("splitting twice in 'pre_tokenizer'") }
                pattern = .gpt2(digitsApart: digitsApart)
            case let type: throw unsupported("a '\(type)' step at this place in 'pre_tokenizer'")
            }
        }
        guard let pattern, steps.last?["type"]?.string == "ByteLevel" else {
            throw unsupported("a 'pre_tokenizer' without a split pattern and a final 'ByteLevel' step")
        }
        return pattern
    }

    private func splitPattern(_ step: JSONValue) throws(TextError) -> SplitPattern {
        guard step["behavior"]?.string == "Isolated", step["invert"]?.bool != true else {
            throw unsupported("a 'Split' that is not 'Isolated'")
        }
        guard let expression = step["pattern"]?["Regex"]?.string else {
            throw unsupported("a 'Split' at a fixed string")
        }
        guard let pattern = SplitPattern(expression: expression) else {
            throw unsupported("the split pattern \(expression)")
        }
        return pattern
    }

    /// The steps of a pipeline: a 'Sequence' stands for what it lists.
    func flatten(_ value: JSONValue, list: String) -> [JSONValue] {
        guard case .object = value else { return [] }
        guard value["type"]?.string == "Sequence" else { return [value] }
        return (value[list]?.array ?? []).flatMap { flatten($0, list: list) }
    }

    /// The special tokens that 'TemplateProcessing' puts around a single text.
    private func postProcessor(_ value: JSONValue) throws(TextError) -> (prefix: [Int32], suffix: [Int32]) {
        var prefix: [Int32] = []
        var suffix: [Int32] = []
        for step in flatten(value, list: "processors") {
            switch step["type"]?.string ?? "" {
            case "ByteLevel": break
            case "TemplateProcessing":
                var seenText = false
                for piece in step["single"]?.array ?? [] {
                    if piece["Sequence"] != nil { seenText = true }
                    guard let token = piece["SpecialToken"]?["id"]?.string else { continue }
                    let ids = (step["special_tokens"]?[token]?["ids"]?.array ?? []).compactMap(\.integer).map(
                        Int32.init)
                    if seenText { suffix += ids } else { prefix += ids }
                }
            case let type: throw unsupported("a '\(type)' post-processor")
            }
        }
        return (prefix, suffix)
    }
}
