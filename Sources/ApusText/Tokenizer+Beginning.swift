/// A text that brings along the token which its tokenizer puts before every text: it has been through a chat template.
public struct RepeatedBeginning: Sendable, Equatable, CustomStringConvertible {
    /// What messages call the text.
    public let name: String
    /// The token, as text.
    public let token: String

    /// One line of warning.
    public var description: String {
        "\(name) begins with \(token), which the tokenizer puts before every text: it stands there once; leave it out, or "
            + "give messages instead of text that has been through the chat template"
    }
}

extension Tokenizer {
    /// The tokens of a text to continue: as ``encode(_:addSpecialTokens:)``, but what begins every text stands there once,
    /// where Hugging Face's tokenizers put a second one before a text that begins with it.
    public func encodePrompt(_ text: String) -> [Int32] {
        let tokens = encode(text, addSpecialTokens: true)
        return repeatsBeginning(tokens) ? Array(tokens.dropFirst(definition.prefix.count)) : tokens
    }

    /// What there is to warn of when a text begins with what begins every text; nil for any other text.
    ///
    /// - Parameter name: what messages call the text.
    public func repeatedBeginning(of text: String, named name: String) -> RepeatedBeginning? {
        guard repeatsBeginning(encode(text, addSpecialTokens: true)) else { return nil }
        return RepeatedBeginning(name: name, token: decode(definition.prefix, skipSpecialTokens: false))
    }

    private func repeatsBeginning(_ tokens: [Int32]) -> Bool {
        let beginning = definition.prefix
        return !beginning.isEmpty && tokens.dropFirst(beginning.count).starts(with: beginning)
    }
}
