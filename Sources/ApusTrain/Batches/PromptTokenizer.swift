public import ApusData
public import ApusText
public import Foundation

/// What the trainer needs from a tokenizer: prompts to tokens, completions to text, and its files in a checkpoint.
public protocol PromptTokenizer: Sendable {
    /// The tokens of a prompt, ready to be continued.
    /// - Throws: What is wrong with the prompt or the chat template: the run does not begin.
    func tokens(of prompt: Prompt) throws -> [Int32]
    /// What there is to warn of when a prompt brings along the token that begins every text; nil for any other prompt.
    /// - Parameter name: what messages call the prompt.
    func repeatedBeginning(of prompt: Prompt, named name: String) -> RepeatedBeginning?
    /// The text of a completion, without special tokens.
    func text(of completion: [Int32]) -> String
    /// Writes the tokenizer's files.
    /// - Throws: What keeps it from writing; `on_save_failure` says what becomes of the run.
    func save(to directory: URL) throws
}

extension PromptTokenizer {
    /// Nothing: the tokenizer puts no token before a text.
    public func repeatedBeginning(of prompt: Prompt, named name: String) -> RepeatedBeginning? { nil }
}

extension Tokenizer: PromptTokenizer {
    /// Messages go through the chat template, which places its own special tokens; plain text gets the default ones, what
    /// begins a text only where it does not stand there already.
    /// - Throws: ``TextError`` for messages that the template refuses, or where there is no template.
    public func tokens(of prompt: Prompt) throws -> [Int32] {
        switch prompt {
        case .messages(let messages): try encodeChat(messages, addGenerationPrompt: true)
        case .text(let text): encodePrompt(text)
        }
    }

    /// Concerns plain text: a chat template's tokens are taken as they are.
    public func repeatedBeginning(of prompt: Prompt, named name: String) -> RepeatedBeginning? {
        guard case .text(let text) = prompt else { return nil }
        return repeatedBeginning(of: text, named: name)
    }

    /// The text of a completion, without special tokens.
    public func text(of completion: [Int32]) -> String { decode(completion, skipSpecialTokens: true) }
}
