extension Tokenizer {
    /// The text of a conversation in the model's own format.
    ///
    /// - Parameters:
    ///   - addGenerationPrompt: whether the text ends with the opening of the assistant's next turn.
    ///   - variables: what else the template may read, such as "tools" or "enable_thinking". They win over the
    ///     variables that are always there: messages, add_generation_prompt, tools (none) and the tokens with a role.
    /// - Throws: `TextError` when there is no template, it is broken, it refuses the conversation, or it runs into a
    ///   limit.
    public func renderChat(
        _ messages: [Message], addGenerationPrompt: Bool, variables: [String: TemplateValue] = [:]
    ) throws(TextError) -> String {
        var all: [String: TemplateValue] = roles.mapValues { .string($0) }
        all["messages"] = .array(messages.map { ["role": .string($0.role), "content": .string($0.content)] })
        all["add_generation_prompt"] = .bool(addGenerationPrompt)
        all["tools"] = .null
        all["documents"] = .null
        all.merge(variables) { _, given in given }
        return try parsedTemplate.get().render(all)
    }

    /// The tokens of a conversation: the template's text with no special tokens besides those that it writes itself.
    ///
    /// - Throws: as `renderChat`.
    public func encodeChat(
        _ messages: [Message], addGenerationPrompt: Bool = true, variables: [String: TemplateValue] = [:]
    ) throws(TextError) -> [Int32] {
        let text = try renderChat(messages, addGenerationPrompt: addGenerationPrompt, variables: variables)
        return encode(text, addSpecialTokens: false)
    }
}
