public import ApusData
public import ApusText

/// Turns demonstrations into tokens as TRL does, so that training sees what sampling will see: the prompt's tokens are those
/// that GRPO, `apus generate` and vLLM give the model, and a completion ends with a token that ends a generation.
public struct DemonstrationTokenizer {
    /// Text to tokens, with the chat template.
    let tokenizer: Tokenizer
    /// Tokens that end a generation.
    let endTokens: Set<Int32>
    /// `completion_only_loss`.
    let completionOnly: Bool?
    /// `assistant_only_loss`.
    let assistantOnly: Bool

    /// - Parameters:
    ///   - endTokens: tokens that end a generation; the tokenizer's own end token is put where none of them stands.
    ///   - configuration: says which tokens are learnt.
    public init(_ tokenizer: Tokenizer, endTokens: Set<Int32>, configuration: SFTConfiguration) {
        self.tokenizer = tokenizer
        self.endTokens = endTokens
        completionOnly = configuration.completionOnlyLoss
        assistantOnly = configuration.assistantOnlyLoss
    }

    /// The tokens of a demonstration.
    ///
    /// - Parameter number: where it stands in the data, for messages.
    /// - Throws: ``TrainingError`` with code `prompt` when it has nothing to learn, or the settings do not fit it.
    public func example(_ demonstration: Demonstration, number: Int) throws(TrainingError) -> TrainingExample {
        func problem(_ text: String) -> TrainingError {
            TrainingError(.prompt, "example \(number) of the data set \(text)")
        }
        let found: (tokens: [Int32], isLearnt: [Bool])
        do {
            switch demonstration {
            case .continuation(let prompt, let completion): found = continuation(prompt, completion)
            case .conversation(let messages, let count, let variables):
                found = try conversation(messages, promptCount: count, variables)
            case .dialogue(let messages, let variables): found = try dialogue(messages, variables)
            case .text(let text): found = try whole(ended(tokenizer.encodePrompt(text)))
            }
        } catch {
            throw problem("cannot be turned into tokens: \(error)")
        }
        guard let example = TrainingExample(tokens: found.tokens, learning: found.isLearnt) else {
            throw problem("has no token to learn; remove it, or see completion_only_loss and assistant_only_loss")
        }
        return example
    }

    /// What there is to warn of in a demonstration.
    ///
    /// - Parameter number: where it stands in the data.
    public func remarks(on demonstration: Demonstration, number: Int) -> [PromptRemark] {
        let name = "example \(number) of the data set"
        return switch demonstration {
        case .continuation(let text, _), .text(let text):
            tokenizer.repeatedBeginning(of: text, named: name).map { [.repeatedBeginning($0)] } ?? []
        case .conversation(let messages, _, let variables), .dialogue(let messages, let variables):
            tokenizer.remarks(on: messages, variables: variables, named: name)
        }
    }

    private func continuation(_ prompt: String, _ completion: String) -> ([Int32], [Bool]) {
        let tokens = tokens(of: [prompt, completion]) { tokenizer.encodePrompt($0) }
        return joined(tokens[0], ended(tokens[1]))
    }

    private func conversation(
        _ messages: [Message], promptCount: Int, _ variables: [String: JSONValue]
    ) throws -> ([Int32], [Bool]) {
        if assistantOnly { return try dialogue(messages, variables) }
        let before = try tokenizer.renderPrompt(Array(messages[..<promptCount]), variables: variables)
        let text = try tokenizer.renderChat(messages, addGenerationPrompt: false, variables: variables)
        let completion = try Self.remainder(of: text, after: before)
        let tokens = tokens(of: [before, completion])
        return joined(tokens[0], endedTurn(tokens[1]))
    }

    /// A conversation as a whole, or its assistant's turns: what the template marks as such (`{% generation %}`), or what
    /// it adds after asking for a turn.
    private func dialogue(_ messages: [Message], _ variables: [String: JSONValue]) throws -> ([Int32], [Bool]) {
        guard assistantOnly else {
            if completionOnly == true { throw MaskError.needsCompletion }
            let text = try tokenizer.renderChat(messages, addGenerationPrompt: false, variables: variables)
            return try whole(endedTurn(tokenizer.encode(text, addSpecialTokens: false)))
        }
        if let parts = try tokenizer.renderParts(messages, variables: variables) {
            return learning(parts.map(\.isGenerated), of: tokens(of: parts.map(\.text)))
        }
        let parts = try turns(messages, variables)
        let tokens = tokens(of: parts)
        let isAnswer = parts.indices.map { !$0.isMultiple(of: 2) }
        return learning(isAnswer, of: zip(tokens, isAnswer).map { $1 ? endedTurn($0) : $0 })
    }

    /// The text of a dialogue in parts: what leads up to the assistant's turn, the turn, and so on.
    private func turns(_ messages: [Message], _ variables: [String: JSONValue]) throws -> [String] {
        var parts: [String] = []
        var done = ""
        for (index, message) in messages.enumerated() where message.role == "assistant" {
            let before = try tokenizer.renderChat(
                Array(messages[..<index]), addGenerationPrompt: true, variables: variables)
            let after = try tokenizer.renderChat(
                Array(messages[...index]), addGenerationPrompt: false, variables: variables)
            parts.append(try Self.remainder(of: before, after: done))
            parts.append(try Self.remainder(of: after, after: before))
            done = after
        }
        return parts
    }

    private func learning(_ isLearnt: [Bool], of parts: [[Int32]]) -> ([Int32], [Bool]) {
        let flags = zip(parts, isLearnt).flatMap { tokens, isLearnt in tokens.map { _ in isLearnt } }
        return (Array(parts.joined()), flags)
    }

    /// The tokens of a text by its parts, which are encoded apart: no token that is sampled reaches from one into the next.
    /// A vocabulary of characters would mark the beginning of a text at each of them: there they are those of the whole,
    /// unless one does reach over an end.
    ///
    /// - Parameter encode: how a text from the beginning on becomes tokens.
    private func tokens(of parts: [String], encode: ((String) -> [Int32])? = nil) -> [[Int32]] {
        let encode = encode ?? { tokenizer.encode($0, addSpecialTokens: false) }
        let apart =
            parts.prefix(1).map(encode) + parts.dropFirst().map { tokenizer.encode($0, addSpecialTokens: false) }
        guard tokenizer.isOfCharacters else { return apart }
        let whole = encode(parts.joined())
        var text = ""
        var start = 0
        var result: [[Int32]] = []
        for part in parts {
            text += part
            let beginning = encode(text)
            guard whole.starts(with: beginning), beginning.count >= start else { return apart }
            result.append(Array(whole[start..<beginning.count]))
            start = beginning.count
        }
        return result
    }

    private func joined(_ prompt: [Int32], _ completion: [Int32]) -> ([Int32], [Bool]) {
        let learnsPrompt = completionOnly == false
        return (prompt + completion, prompt.map { _ in learnsPrompt } + completion.map { _ in true })
    }

    private func whole(_ tokens: [Int32]) throws -> ([Int32], [Bool]) {
        if assistantOnly { throw MaskError.needsConversation }
        if completionOnly == true { throw MaskError.needsCompletion }
        return (tokens, tokens.map { _ in true })
    }

    /// Text with an end: a model that never sees one never stops.
    private func ended(_ tokens: [Int32]) -> [Int32] {
        guard let end = tokenizer.endToken, !(tokens.last.map(endTokens.contains) ?? false) else { return tokens }
        return tokens + [end]
    }

    /// A turn of a conversation with an end, which most templates write themselves, with white space behind it.
    private func endedTurn(_ tokens: [Int32]) -> [Int32] {
        guard let last = tokens.lastIndex(where: endTokens.contains) else { return ended(tokens) }
        let rest = tokenizer.text(of: Array(tokens[(last + 1)...]))
        return rest.allSatisfy(\.isWhitespace) ? tokens : ended(tokens)
    }

    private static func remainder(of text: String, after prefix: String) throws -> String {
        guard text.unicodeScalars.starts(with: prefix.unicodeScalars) else { throw MaskError.rewritesHistory }
        return String(String.UnicodeScalarView(text.unicodeScalars.dropFirst(prefix.unicodeScalars.count)))
    }
}

/// Why the tokens to learn cannot be told from the others.
private enum MaskError: Error, CustomStringConvertible {
    case needsCompletion, needsConversation, rewritesHistory

    var description: String {
        switch self {
        case .needsCompletion:
            "completion_only_loss needs rows with a prompt and a completion; set it to false or null, or for conversations "
                + "set assistant_only_loss"
        case .needsConversation: "assistant_only_loss needs rows with messages"
        case .rewritesHistory:
            "the chat template writes a conversation anew when a turn is added, so prompt and completion cannot be told "
                + "apart; give both as text"
        }
    }
}
