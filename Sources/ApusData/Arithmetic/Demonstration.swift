import ApusTables
public import ApusText

/// One example of supervised training: what a model is shown, and which part of it it learns to say.
public enum Demonstration: Sendable, Equatable {
    /// Text that is continued as it is by a completion.
    case continuation(prompt: String, completion: String)
    /// A conversation, rendered by the chat template; the messages from `promptCount` on are the completion, and `variables`
    /// are what the template may read beside them.
    case conversation([Message], promptCount: Int, variables: [String: JSONValue] = [:])
    /// A conversation that is not split into prompt and completion.
    case dialogue([Message], variables: [String: JSONValue] = [:])
    /// Plain text without a prompt.
    case text(String)
}

/// Which columns of a data file become demonstrations. A row may hold, in this order of precedence:
///
/// - the messages column: a list of `{"role": …, "content": …}`, which is not split;
/// - the prompt column and the completion column, each text or a list of messages;
/// - the text column: plain text.
///
/// A prompt from the column `prompt` that is text stands as it is; one from any other column, or with a system prompt, is a
/// user's message, as in ``ColumnMapping``.
public struct DemonstrationMapping: Sendable, Equatable {
    /// Where prompts are, and the system message that is put before them.
    public var prompt: ColumnMapping
    /// The column that holds the completion.
    public var completion: String
    /// The column that holds whole conversations.
    public var messages: String
    /// The column that holds plain text.
    public var text: String

    /// A mapping; the defaults read TRL's column names.
    public init(
        prompt: ColumnMapping = ColumnMapping(prompt: "prompt"), completion: String = "completion",
        messages: String = "messages", text: String = "text"
    ) {
        self.prompt = prompt
        self.completion = completion
        self.messages = messages
        self.text = text
    }
}

extension DemonstrationMapping {
    /// Reads a `.jsonl` or `.json` file.
    ///
    /// - Throws: ``DataError`` naming the file and the line; an empty file is an error.
    public func demonstrations(path: String) throws(DataError) -> [Demonstration] {
        try RowFile.map(path) { row, place throws(DataError) in try demonstration(from: row.object ?? [:], at: place) }
    }

    /// The demonstrations of rows that are at hand.
    ///
    /// - Parameter name: what messages call them; they count them from 1.
    /// - Throws: ``DataError`` naming the row; no rows at all are an error.
    public func demonstrations(rows: [JSONValue], name: String = "rows") throws(DataError) -> [Demonstration] {
        try RowFile.map(rows: rows, name: name) { row, place throws(DataError) in
            try demonstration(from: row.object ?? [:], at: place)
        }
    }

    /// The demonstration that one row stands for.
    func demonstration(from row: [String: JSONValue], at place: RowPlace) throws(DataError) -> Demonstration {
        if case .array(let turns)? = row[messages] {
            return .dialogue(
                prompt.withSystemPrompt(try prompt.messages(turns, in: messages, at: place)),
                variables: try variables(of: row, at: place))
        }
        if row[completion] != nil { return try pair(from: row, at: place) }
        if case .string(let body)? = row[text] {
            guard !body.isEmpty else {
                throw place.error(.wrongType, "wanted text in column '\(text)', found an empty string; remove the row")
            }
            return .text(body)
        }
        let found = row.isEmpty ? "no columns" : row.keys.sorted().joined(separator: ", ").onOneLine
        throw place.error(
            .missingColumn,
            "wanted a list in column '\(messages)', or columns '\(prompt.prompt)' and '\(completion)', or text in "
                + "column '\(text)', found \(found); name the right columns (prompt_column, completion_column)")
    }

    private func variables(
        of row: [String: JSONValue], at place: RowPlace
    ) throws(DataError) -> [String: JSONValue] {
        try prompt.templateVariables(of: row, except: [completion, messages, text], at: place)
    }

    private func pair(from row: [String: JSONValue], at place: RowPlace) throws(DataError) -> Demonstration {
        let question = try prompt.prompt(from: row, at: place)
        let variables = try variables(of: row, at: place)
        switch (question, row[completion]) {
        case (.text(let question), .string(let answer)?):
            return .continuation(prompt: question, completion: answer)
        case (.messages(let question), .string(let answer)?):
            return .conversation(
                question + [Message(role: "assistant", content: answer)], promptCount: question.count,
                variables: variables)
        case (.messages(let question), .array(let turns)?):
            let answer = try prompt.messages(turns, in: completion, at: place)
            return .conversation(question + answer, promptCount: question.count, variables: variables)
        case (.text, .array?):
            throw place.error(
                .wrongType,
                "column '\(completion)' holds messages and the prompt is text; wanted both as text or both as messages")
        case (_, let other):
            throw place.error(
                .wrongType,
                "wanted text or a list of messages in column '\(completion)' for the completion, found "
                    + (other?.kindName ?? "nothing"))
        }
    }
}
