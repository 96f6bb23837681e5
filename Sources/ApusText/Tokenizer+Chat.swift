extension Tokenizer {
    /// The text of a conversation in the model's own format.
    ///
    /// Reasoning reaches the template as `reasoning_content` and as `thinking`, whichever of these or `reasoning` a message
    /// has, and a content of parts as their texts where the template reads text alone (as in transformers and vLLM).
    ///
    /// - Parameters:
    ///   - addGenerationPrompt: whether the text ends with the opening of the assistant's next turn.
    ///   - variables: what else the template may read, such as "tools" or "enable_thinking". They win over the
    ///     variables that are always there: messages, add_generation_prompt, tools (none) and the tokens with a role.
    /// - Throws: `TextError` when there is no template, it is broken, it refuses the conversation, or it runs into a
    ///   limit.
    public func renderChat(
        _ messages: [Message], addGenerationPrompt: Bool, variables: [String: JSONValue] = [:]
    ) throws(TextError) -> String {
        try template(for: variables).render(
            templateVariables(messages, addGenerationPrompt: addGenerationPrompt, variables: variables))
    }

    /// The template for conversations with tools where there is one and there are tools, else the other.
    private func template(for variables: [String: JSONValue]) throws(TextError) -> ChatTemplate {
        let hasTools = variables["tools"].map { $0 != .null } ?? false
        return try (hasTools ? parsedToolTemplate ?? parsedTemplate : parsedTemplate).get()
    }

    private func templateVariables(
        _ messages: [Message], addGenerationPrompt: Bool, variables: [String: JSONValue]
    ) -> [String: JSONValue] {
        let turns = messages.map { $0.forTemplate(takingParts: takesParts) }
        let always = Self.templateVariables(turns, addGenerationPrompt: addGenerationPrompt, roles: roles)
        return always.merging(variables) { _, given in given }
    }

    /// The text of a conversation in parts, the assistant's apart; nil where the template does not mark them.
    ///
    /// - Throws: as `renderChat`.
    package func renderParts(
        _ messages: [Message], variables: [String: JSONValue] = [:]
    ) throws(TextError) -> [ChatTemplate.Part]? {
        let template = try template(for: variables)
        guard template.marksGenerations else { return nil }
        return try template.renderParts(
            templateVariables(messages, addGenerationPrompt: false, variables: variables))
    }

    /// The tokens of a conversation: the template's text with no special tokens besides those that it writes itself.
    ///
    /// - Throws: as `renderChat`.
    public func encodeChat(
        _ messages: [Message], addGenerationPrompt: Bool = true, variables: [String: JSONValue] = [:]
    ) throws(TextError) -> [Int32] {
        let text = try renderChat(messages, addGenerationPrompt: addGenerationPrompt, variables: variables)
        return encode(text, addSpecialTokens: false)
    }

    /// The text that a model continues after a conversation: its last turn where that is the assistant's, else an answer to it.
    ///
    /// - Throws: as `renderChat`, and where the template does not show the turn to be continued.
    public func renderPrompt(
        _ messages: [Message], variables: [String: JSONValue] = [:]
    ) throws(TextError) -> String {
        guard let last = messages.last, last.role == "assistant" else {
            return try renderChat(messages, addGenerationPrompt: true, variables: variables)
        }
        return try renderContinued(messages, last, variables)
    }

    /// The tokens of ``renderPrompt(_:variables:)``.
    ///
    /// - Throws: as it does.
    public func encodePrompt(
        _ messages: [Message], variables: [String: JSONValue] = [:]
    ) throws(TextError) -> [Int32] {
        encode(try renderPrompt(messages, variables: variables), addSpecialTokens: false)
    }

    /// The conversation up to the end of its last turn's text, which a mark finds: transformers' `continue_final_message`.
    private func renderContinued(
        _ messages: [Message], _ last: Message, _ variables: [String: JSONValue]
    ) throws(TextError) -> String {
        let mark = "CONTINUE_FINAL_MESSAGE_TAG "
        let words = mark.stripped(of: nil)
        var turns = messages
        turns[turns.count - 1].content = last.content + mark
        let text = try renderChat(turns, addGenerationPrompt: false, variables: variables)
        let pieces = text.ranges(of: words)
        let final = last.content.stripped(of: nil)
        guard !final.isEmpty, let place = pieces.last, text.contains(final) else {
            throw TextError(
                code: .templateFailed,
                message:
                    "the conversation ends with a turn of the assistant to continue, and the template does not show "
                    + "its text as it is; end with a user's turn, or give the whole prompt as text")
        }
        let before = String(text[..<place.lowerBound])
        // Where the template cuts white space, the mark lost its own, and what stood before it would have gone.
        return text[place.lowerBound...].hasPrefix(mark) ? before : before.stripped(of: nil, left: false)
    }

    /// The keys of messages, beside role and content, that do not reach the template's text, in the order of their names.
    ///
    /// - Parameter variables: as in `renderChat`.
    public func keysWithoutEffect(in messages: [Message], variables: [String: JSONValue] = [:]) -> [String] {
        let keys = Set(messages.flatMap { $0.fields.map(\.key) }).subtracting(["role", "content"])
        guard !keys.isEmpty, let whole = try? renderPrompt(messages, variables: variables) else { return [] }
        return keys.sorted().filter { key in
            var others = messages
            for index in others.indices { others[index][key] = nil }
            return (try? renderPrompt(others, variables: variables)) == whole
        }
    }

    /// Whether the chat template reads a variable of this name.
    public func templateReads(_ name: String) -> Bool {
        (try? parsedTemplate.get())?.names.contains(name) ?? false
    }

    /// Whether the template shows the text of a content that is a list of parts: by trying.
    static func takesParts(_ template: Result<ChatTemplate, TextError>, roles: [String: String]) -> Bool {
        guard let template = try? template.get() else { return false }
        func text(_ content: JSONValue) -> String? {
            let turns: [JSONValue] = [["role": "user", "content": content]]
            return try? template.render(templateVariables(turns, addGenerationPrompt: true, roles: roles))
        }
        guard let parts = text([["type": "text", "text": "probe"]]) else { return false }
        return parts == text("probe")
    }

    /// The variables that a template can always read.
    private static func templateVariables(
        _ turns: [JSONValue], addGenerationPrompt: Bool, roles: [String: String]
    ) -> [String: JSONValue] {
        var all: [String: JSONValue] = roles.mapValues { .string($0) }
        all["messages"] = .array(turns)
        all["add_generation_prompt"] = .bool(addGenerationPrompt)
        all["tools"] = .null
        all["documents"] = .null
        return all
    }
}

extension Message {
    /// The names under which data have what a model thinks before it answers (transformers' `_REASONING_FIELDS`).
    private static let reasoningKeys = ["reasoning_content", "thinking", "reasoning"]

    /// The turn as a template sees it.
    fileprivate func forTemplate(takingParts: Bool) -> JSONValue {
        var turn = self
        if !takingParts, case .array? = turn["content"] { turn.content = content }
        if let reasoning = Self.reasoningKeys.lazy.compactMap({ turn[$0] }).first(where: { $0 != .null }) {
            if turn["thinking"] == nil { turn["thinking"] = reasoning }
            turn["reasoning_content"] = reasoning
        }
        return turn.json
    }
}
