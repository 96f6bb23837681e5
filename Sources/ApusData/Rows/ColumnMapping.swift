/// Which columns of a file become the prompt and the reference answer.
///
/// - A prompt column that holds text becomes a conversation of one user message, after the system prompt if one is set.
/// - The column named `prompt` follows TRL: a list of `{"role", "content"}` is a conversation, text is a plain prompt that
///   is continued as it is (with a system prompt set it becomes a conversation too). It is also used when the column
///   that `prompt` names is absent from the row.
/// - A conversation that already has a system message keeps it; otherwise `systemPrompt` goes first.
public struct ColumnMapping: Codable, Sendable, Equatable {
    /// How the reference answer is cut out of its column.
    public enum AnswerExtraction: String, Codable, Sendable, CaseIterable {
        /// The column as it is.
        case none
        /// The text after the last `####`, stripped of white space: how GSM8K marks its answers. Text without the
        /// mark is kept whole, as Python's `split("####")[-1].strip()` does.
        case afterHashes = "after_hashes"
    }

    /// The column that holds the question.
    public var prompt: String
    /// The column that holds the reference answer, which rewards see as `answer`; nil when the data has none.
    public var answer: String?
    /// A system message put before every question; nil for none.
    public var systemPrompt: String?
    /// How the reference answer is cut out of its column.
    public var answerExtraction: AnswerExtraction

    /// A mapping; the defaults read `{"question": …}` rows and ask for no answer.
    public init(
        prompt: String = "question", answer: String? = nil, systemPrompt: String? = nil,
        answerExtraction: AnswerExtraction = .none
    ) {
        self.prompt = prompt
        self.answer = answer
        self.systemPrompt = systemPrompt
        self.answerExtraction = answerExtraction
    }
}

extension ColumnMapping {
    private enum CodingKeys: String, CodingKey {
        case prompt
        case answer
        case systemPrompt = "system_prompt"
        case answerExtraction = "answer_extraction"
    }

    /// Decodes a mapping; what is left out has its default.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let defaults = ColumnMapping()
        prompt = try container.decodeIfPresent(String.self, forKey: .prompt) ?? defaults.prompt
        answer = try container.decodeIfPresent(String.self, forKey: .answer)
        systemPrompt = try container.decodeIfPresent(String.self, forKey: .systemPrompt)
        answerExtraction =
            try container.decodeIfPresent(AnswerExtraction.self, forKey: .answerExtraction)
            ?? defaults.answerExtraction
    }

    /// Encodes every key, nil as null, so that a written configuration shows all that can be set.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(prompt, forKey: .prompt)
        try container.encode(answer, forKey: .answer)
        try container.encode(systemPrompt, forKey: .systemPrompt)
        try container.encode(answerExtraction, forKey: .answerExtraction)
    }
}
