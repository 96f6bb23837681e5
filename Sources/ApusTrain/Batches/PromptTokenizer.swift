public import ApusData
public import ApusText
public import Foundation

/// What the trainer needs from a tokenizer: prompts to tokens, completions to text, and its files in a checkpoint.
public protocol PromptTokenizer: Sendable {
    /// The tokens of a prompt, ready to be continued.
    /// - Throws: What is wrong with the prompt or the chat template: the run does not begin.
    func tokens(of prompt: Prompt) throws -> [Int32]
    /// The text of a completion, without special tokens.
    func text(of completion: [Int32]) -> String
    /// Writes the tokenizer's files.
    /// - Throws: What keeps it from writing; `on_save_failure` says what becomes of the run.
    func save(to directory: URL) throws
}

extension Tokenizer: PromptTokenizer {
    /// Messages go through the chat template, which places its own special tokens; plain text gets the default ones.
    /// - Throws: ``TextError`` for messages that the template refuses, or where there is no template.
    public func tokens(of prompt: Prompt) throws -> [Int32] {
        switch prompt {
        case .messages(let messages): try encodeChat(messages, addGenerationPrompt: true)
        case .text(let text): encode(text, addSpecialTokens: true)
        }
    }

    /// The text of a completion, without special tokens.
    public func text(of completion: [Int32]) -> String { decode(completion, skipSpecialTokens: true) }
}
