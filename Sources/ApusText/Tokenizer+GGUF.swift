import Foundation

extension Tokenizer {
    /// This tokenizer in the form in which a GGUF file holds it.
    ///
    /// Ids without a token get the placeholders that llama.cpp's converter writes.
    ///
    /// - Parameter size: rows of the model's embedding; at least `vocabularySize`.
    /// - Throws: `TextError` when llama.cpp has no name for the way in which this tokenizer cuts text.
    package func ggufVocabulary(size: Int) throws(TextError) -> GGUFVocabulary {
        precondition(size >= vocabularySize, "\(size) rows for \(vocabularySize) tokens")
        var result: GGUFVocabulary
        switch origin {
        case .vocabulary(let vocabulary): result = vocabulary
        case .directory(let folder): result = try convertedVocabulary(name: folder.path(percentEncoded: false))
        }
        if result.tokenTypes.count < result.tokens.count {
            result.tokenTypes += [Int32](repeating: 1, count: result.tokens.count - result.tokenTypes.count)
        }
        for id in result.tokens.count..<max(size, result.tokens.count) {
            result.tokens.append("[PAD\(id)]")
            result.tokenTypes.append(GGUFTokenType.unused.rawValue)
            // As llama.cpp's converter has it.
            if !result.scores.isEmpty { result.scores.append(-1000) }
        }
        return result
    }

    private func convertedVocabulary(name: String) throws(TextError) -> GGUFVocabulary {
        guard case .byteLevel = definition.spelling, case .bytePairs(let rules) = definition.model,
            let pre = GGUFVocabulary.familyName(of: definition)
        else {
            throw TextError(
                code: .unsupported,
                message: "\(name): llama.cpp has no name for the way in which this tokenizer splits text; "
                    + "export safetensors (merged or adapter) instead")
        }
        let added = Dictionary(definition.addedTokens.map { ($0.id, $0) }) { first, _ in first }
        var tokens: [String] = []
        var types: [Int32] = []
        for id in definition.tokens.indices {
            let token = definition.tokens[id]
            let type = GGUFTokenType(token, added: added[Int32(id)])
            tokens.append(token ?? "[PAD\(id)]")
            types.append(type.rawValue)
        }
        let merges = rules.merges.map { merge in
            ByteAlphabet.encode(table.bytes(of: merge.left)) + " " + ByteAlphabet.encode(table.bytes(of: merge.right))
        }
        var result = GGUFVocabulary(
            tokens: PackedTexts(tokens), merges: PackedTexts(merges), tokenTypes: types, pre: pre, name: name)
        result.bosToken = bosToken
        result.endToken = endToken
        result.padToken = padToken
        result.unknownToken = roles["unk_token"].flatMap(id)
        result.addsBOS = bosToken.map { definition.prefix.first == $0 } ?? false
        result.addsEOS = endToken.map { definition.suffix.last == $0 } ?? false
        result.chatTemplate = chatTemplate
        return result
    }
}

/// `tokenizer.ggml.token_type`.
private enum GGUFTokenType: Int32 {
    case normal = 1
    case control = 3
    case userDefined = 4
    case unused = 5

    /// As llama.cpp's converter decides: an added token that looks like a marker is control even where
    /// tokenizer.json does not call it special.
    init(_ token: String?, added: AddedToken?) {
        guard let token else {
            self = .unused
            return
        }
        guard let added else {
            self = .normal
            return
        }
        self = added.isSpecial || AddedToken.isMarker(Array(token.utf8)[...]) ? .control : .userDefined
    }
}
