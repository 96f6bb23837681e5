/// Which columns of a file become the prompt and the reference answer.
///
/// - A prompt column that holds text becomes a conversation of one user message, after the system prompt if one is set.
/// - The column named `prompt` follows TRL: a list of `{"role", "content"}` is a conversation, text is a plain prompt that
///   is continued as it is (with a system prompt set it becomes a conversation too). It is also used when the column
///   that `prompt` names is absent from the row.
/// - Where nothing is named and there is neither `question` nor `prompt`, a column `messages` or `conversations` (ShareGPT's
///   form too) holds conversations: the turns before the assistant's last one are the prompt.
/// - A conversation that already has a system message keeps it; otherwise `systemPrompt` goes first.
public struct ColumnMapping: Sendable, Equatable {
    /// How the reference answer is cut out of its column.
    public enum AnswerExtraction: String, Sendable, CaseIterable {
        /// The column as it is.
        case none
        /// The text after the last `####`, stripped of white space: how GSM8K marks its answers. Text without the
        /// mark is kept whole, as Python's `split("####")[-1].strip()` does.
        case afterHashes = "after_hashes"
        /// What the last `\boxed{…}` holds, as mathematical data sets mark answers.
        case boxed
        /// The last number of the text.
        case lastNumber = "last_number"
    }

    /// The column that holds the question.
    public var prompt: String
    /// The column that holds the reference answer, which rewards see as `answer`; nil for the column of that name, where the
    /// data have one.
    public var answer: String?
    /// A system message put before every question; nil for none.
    public var systemPrompt: String?
    /// How the reference answer is cut out of its column.
    public var answerExtraction: AnswerExtraction
    /// The user's message, made of the columns of a row; nil for ``prompt``.
    public var promptTemplate: RowTemplate?
    /// The reference answer, made of the columns of a row; nil for ``answer``.
    public var answerTemplate: RowTemplate?
    /// Which rows stay; nil for all of them.
    public var rowFilter: RowTemplate?
    /// Whether rows may lack the column `answer` where others have it; counts where ``answer`` names no column.
    public var allowsPartialAnswers = false
    /// What the chat template may read in every row, such as `enable_thinking`: TRL's `chat_template_kwargs`.
    public var templateArguments: [String: JSONValue]

    /// The column that holds questions where nobody names one.
    public static let standardPrompt = "question"

    /// A mapping; the defaults read `{"question": …}` rows and ask for no answer.
    public init(
        prompt: String = standardPrompt, answer: String? = nil, systemPrompt: String? = nil,
        answerExtraction: AnswerExtraction = .none, templateArguments: [String: JSONValue] = [:]
    ) {
        self.templateArguments = templateArguments
        self.prompt = prompt
        self.answer = answer
        self.systemPrompt = systemPrompt
        self.answerExtraction = answerExtraction
    }
}

extension ColumnMapping.AnswerExtraction {
    /// What has to stand in the text.
    var mark: String {
        switch self {
        case .none: "text"
        case .afterHashes: "'#### answer'"
        case .boxed: "\\boxed{…}"
        case .lastNumber: "a number"
        }
    }

    /// The answer in a text; nil where there is none.
    func answer(in text: PythonText) -> PythonText? {
        switch self {
        case .none: text
        case .afterHashes: text.afterLast("####").stripped
        case .boxed: AnswerExtractor.boxed(in: text)
        case .lastNumber: AnswerExtractor.lastNumber(in: text)
        }
    }
}
