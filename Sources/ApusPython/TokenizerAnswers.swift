import ApusFormats
import ApusText
import Synchronization

/// Answers what data functions ask of the model's tokenizer; see `Tokenizer` in data_calls.py.
final class TokenizerAnswers: Sendable {
    private let make: @Sendable () throws -> Tokenizer
    /// Made when it is asked for the first time: most functions do not ask.
    private let made = Mutex<Tokenizer?>(nil)

    init(_ make: @escaping @Sendable () throws -> Tokenizer) { self.make = make }

    /// The answer to a question, or what is wrong with it.
    func answer(_ question: JSONValue) -> JSONValue {
        do {
            let tokenizer = try made.withLock { made in
                let tokenizer = try made ?? make()
                made = tokenizer
                return tokenizer
            }
            return ["answer": try answer(question["ask"]?.string ?? "", question["arguments"] ?? [:], tokenizer)]
        } catch {
            return ["problem": .string("\(error)")]
        }
    }

    private func answer(_ method: String, _ given: JSONValue, _ tokenizer: Tokenizer) throws -> JSONValue {
        func tokens(_ ids: [Int32]) -> JSONValue { .array(ids.map { .integer(Int($0)) }) }
        switch method {
        case "encode":
            let addsSpecial = given["add_special_tokens"]?.bool ?? true
            return tokens(tokenizer.encode(given["text"]?.string ?? "", addSpecialTokens: addsSpecial))
        case "decode":
            let ids = (given["tokens"]?.array ?? []).compactMap { $0.integer.flatMap(Int32.init(exactly:)) }
            let known = ids.filter { 0..<tokenizer.vocabularySize ~= Int($0) }
            return .string(tokenizer.decode(known, skipSpecialTokens: given["skip_special_tokens"]?.bool ?? false))
        case "apply_chat_template":
            let text = try rendered(given, tokenizer)
            return given["tokenize"] == true ? tokens(tokenizer.encode(text, addSpecialTokens: false)) : .string(text)
        case "added_vocabulary": return .object(tokenizer.addedVocabulary.mapValues { .integer(Int($0)) })
        default: return roles(tokenizer)
        }
    }

    private func rendered(_ given: JSONValue, _ tokenizer: Tokenizer) throws -> String {
        let messages = (given["messages"]?.array ?? []).map { Message(fields: $0.members ?? []) }
        let variables = given["variables"]?.object ?? [:]
        if given["continues"] == true { return try tokenizer.renderPrompt(messages, variables: variables) }
        return try tokenizer.renderChat(
            messages, addGenerationPrompt: given["add_generation_prompt"]?.bool ?? false, variables: variables)
    }

    /// The attributes of a tokenizer that data are made with.
    private func roles(_ tokenizer: Tokenizer) -> JSONValue {
        func text(_ token: Int32?) -> JSONValue {
            token.map { .string(tokenizer.decode([$0], skipSpecialTokens: false)) } ?? .null
        }
        func id(_ token: Int32?) -> JSONValue { token.map { .integer(Int($0)) } ?? .null }
        return [
            "bos_token": text(tokenizer.bosToken), "bos_token_id": id(tokenizer.bosToken),
            "eos_token": text(tokenizer.endToken), "eos_token_id": id(tokenizer.endToken),
            "pad_token": text(tokenizer.padToken ?? tokenizer.endToken),
            "pad_token_id": id(tokenizer.padToken ?? tokenizer.endToken),
            "vocab_size": .integer(tokenizer.vocabularySize),
            "chat_template": tokenizer.chatTemplate.map(JSONValue.string) ?? .null,
        ]
    }
}
