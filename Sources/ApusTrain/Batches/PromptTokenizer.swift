public import ApusData
public import ApusText
public import Foundation

/// What the trainer needs from a tokenizer: prompts to tokens, completions to text, and its files in a checkpoint.
public protocol PromptTokenizer: Sendable {
    /// The tokens of a prompt, ready to be continued.
    func tokens(of prompt: Prompt) throws -> [Int32]
    /// The text of a completion, without special tokens.
    func text(of completion: [Int32]) -> String
    /// Writes the tokenizer's files.
    func save(to directory: URL) throws
}

extension Tokenizer: PromptTokenizer {
    /// Messages go through the chat template, which places its own special tokens; plain text gets the default ones.
    public func tokens(of prompt: Prompt) throws -> [Int32] {
        switch prompt {
        case .messages(let messages): try encodeChat(messages, addGenerationPrompt: true)
        case .text(let text): encode(text, addSpecialTokens: true)
        }
    }

    /// The text of a completion, without special tokens.
    public func text(of completion: [Int32]) -> String { decode(completion, skipSpecialTokens: true) }
}
