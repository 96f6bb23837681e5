import ApusData
public import ApusText

/// Something about a prompt that its author may not know, worth a line once a run.
public enum PromptRemark: Sendable, Equatable, CustomStringConvertible {
    /// The prompt brings along the token that begins every text.
    case repeatedBeginning(RepeatedBeginning)
    /// Messages have a key whose value does not reach the model; `prompt` is what messages call the prompt.
    case keyWithoutEffect(String, prompt: String)
    /// A column of the data is a variable of the chat template.
    case variableColumn(String)

    /// What it is about: a second remark on the same thing says nothing new.
    var subject: String {
        switch self {
        case .repeatedBeginning: "beginning"
        case .keyWithoutEffect(let key, _): "key \(key)"
        case .variableColumn(let column): "column \(column)"
        }
    }

    /// One line of warning.
    public var description: String {
        switch self {
        case .repeatedBeginning(let beginning): "\(beginning)"
        case .keyWithoutEffect(let key, let prompt):
            "\(prompt) has '\(key)' in its messages, which the model does not see: its chat template does not show it there; "
                + "put it into the content, or take another template"
        case .variableColumn(let column):
            "the chat template reads the column '\(column)', row by row; rename the column if that is not meant"
        }
    }
}

/// The remarks of a run, each of which is made once.
public struct PromptRemarks {
    private var subjects: Set<String> = []

    /// None so far.
    public init() {}

    /// Those of some remarks that say something new.
    public mutating func new(among remarks: [PromptRemark]) -> [PromptRemark] {
        remarks.filter { subjects.insert($0.subject).inserted }
    }
}

extension Tokenizer {
    /// What there is to say of the keys of a conversation's messages.
    ///
    /// - Parameter name: what messages call the prompt.
    func remarks(
        on messages: [Message], variables: [String: JSONValue], named name: String
    ) -> [PromptRemark] {
        keysWithoutEffect(in: messages, variables: variables).map { .keyWithoutEffect($0, prompt: name) }
    }
}
