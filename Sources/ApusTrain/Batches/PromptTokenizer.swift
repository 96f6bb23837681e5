public import ApusData
public import ApusText
public import Foundation

/// What the trainer needs from a tokenizer: prompts to tokens, completions to text, and its files in a checkpoint.
public protocol PromptTokenizer: Sendable {
    /// The tokens of a sample's prompt, ready to be continued.
    /// - Throws: What is wrong with the prompt or the chat template: the run does not begin.
    func tokens(of sample: Sample) throws -> [Int32]
    /// What there is to warn of in a sample's prompt.
    /// - Parameter name: what messages call the prompt.
    func remarks(on sample: Sample, named name: String) -> [PromptRemark]
    /// The text of a completion, without special tokens.
    func text(of completion: [Int32]) -> String
    /// Writes the tokenizer's files.
    /// - Throws: What keeps it from writing; `on_save_failure` says what becomes of the run.
    func save(to directory: URL) throws
}

extension PromptTokenizer {
    /// Nothing.
    public func remarks(on sample: Sample, named name: String) -> [PromptRemark] { [] }
}

extension Tokenizer: PromptTokenizer {
    /// Messages go through the chat template, which places its own special tokens, and a last turn of the assistant is continued;
    /// plain text gets the default ones, what begins a text only where it does not stand there already.
    /// - Throws: ``TextError`` for messages that the template refuses, or where there is no template.
    public func tokens(of sample: Sample) throws -> [Int32] {
        switch sample.prompt {
        case .messages(let messages): try encodePrompt(messages, variables: sample.templateVariables)
        case .text(let text): encodePrompt(text)
        }
    }

    /// A token that stands before plain text twice; keys of messages that the template does not show, and columns that it
    /// reads.
    public func remarks(on sample: Sample, named name: String) -> [PromptRemark] {
        switch sample.prompt {
        case .text(let text):
            repeatedBeginning(of: text, named: name).map { [.repeatedBeginning($0)] } ?? []
        case .messages(let messages):
            remarks(on: messages, variables: sample.templateVariables, named: name)
                + sample.templateVariables.keys.sorted().filter { isTextColumn($0, of: sample) }
                .map(PromptRemark.variableColumn)
        }
    }

    private func isTextColumn(_ name: String, of sample: Sample) -> Bool {
        guard case .string? = sample.columns[name] else { return false }
        return name != "tools" && templateReads(name)
    }

    /// The text of a completion, without special tokens.
    public func text(of completion: [Int32]) -> String { decode(completion, skipSpecialTokens: true) }
}
