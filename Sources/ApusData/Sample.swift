public import ApusText

/// What the model is asked: a conversation that goes through the chat template, or plain text that is continued as it is.
public enum Prompt: Sendable, Equatable {
    /// A conversation, rendered by the model's chat template.
    case messages([Message])
    /// Text that is continued as it is.
    case text(String)
}

/// One row of a dataset.
public struct Sample: Sendable, Equatable {
    /// What the model is asked.
    public var prompt: Prompt
    /// Everything a reward may ask for, by column name ("answer", …).
    public var columns: [String: JSONValue]
    /// What the chat template may read beside the messages, by name.
    public var templateVariables: [String: JSONValue]

    /// A row.
    public init(prompt: Prompt, columns: [String: JSONValue] = [:], templateVariables: [String: JSONValue] = [:]) {
        self.prompt = prompt
        self.columns = columns
        self.templateVariables = templateVariables
    }
}
