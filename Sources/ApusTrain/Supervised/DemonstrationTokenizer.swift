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
        let question = tokenizer.encodePrompt(prompt)
        return joined(question, ended(tokenizer.encode(completion, addSpecialTokens: false)))
    }

    private func conversation(
        _ messages: [Message], promptCount: Int, _ variables: [String: JSONValue]
    ) throws -> ([Int32], [Bool]) {
        if assistantOnly { return try dialogue(messages, variables) }
        let before = try tokenizer.renderPrompt(Array(messages[..<promptCount]), variables: variables)
        let text = try tokenizer.renderChat(messages, addGenerationPrompt: false, variables: variables)
        let completion = try Self.remainder(of: text, after: before)
        let question = tokenizer.encode(before, addSpecialTokens: false)
        return joined(question, endedTurn(tokenizer.encode(completion, addSpecialTokens: false)))
    }

    /// A conversation as a whole, or its assistant's turns: what the template marks as such (`{% generation %}`), or what
    /// it adds after asking for a turn.
    private func dialogue(_ messages: [Message], _ variables: [String: JSONValue]) throws -> ([Int32], [Bool]) {
        guard assistantOnly else {
            if completionOnly == true { throw MaskError.needsCompletion }
            let text = try tokenizer.renderChat(messages, addGenerationPrompt: false, variables: variables)
            return try whole(endedTurn(tokenizer.encode(text, addSpecialTokens: false)))
        }
        var tokens: [Int32] = []
        var isLearnt: [Bool] = []
        if let parts = try tokenizer.renderParts(messages, variables: variables) {
            for part in parts {
                let added = tokenizer.encode(part.text, addSpecialTokens: false)
                tokens += added
                isLearnt += added.map { _ in part.isGenerated }
            }
            return (tokens, isLearnt)
        }
        var done = ""
        for (index, message) in messages.enumerated() where message.role == "assistant" {
            let before = try tokenizer.renderChat(
                Array(messages[..<index]), addGenerationPrompt: true, variables: variables)
            let after = try tokenizer.renderChat(
                Array(messages[...index]), addGenerationPrompt: false, variables: variables)
            let question = tokenizer.encode(try Self.remainder(of: before, after: done), addSpecialTokens: false)
            let answer = endedTurn(
                tokenizer.encode(try Self.remainder(of: after, after: before), addSpecialTokens: false))
            tokens += question + answer
            isLearnt += question.map { _ in false } + answer.map { _ in true }
            done = after
        }
        return (tokens, isLearnt)
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
