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
/// - the messages column, or `conversations`: a list of `{"role": …, "content": …}` or, as ShareGPT has it, of
///   `{"from": …, "value": …}`, which is not split;
/// - the prompt column and the completion column, each text or a list of messages;
/// - the column `chosen` of preferences, with the prompt column or as a whole conversation;
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
    /// Reads the rows of a source.
    ///
    /// - Returns: the demonstrations, and what to tell about how they were read.
    /// - Throws: ``DataError`` naming the file and the place; no rows at all are an error.
    public func demonstrations(
        _ source: RowSource
    ) throws(DataError) -> (demonstrations: [Demonstration], notices: [String]) {
        let mapped = try MappedRows(source, filter: prompt.rowFilter, notice: notice) {
            row, place throws(DataError) in try demonstration(from: row, at: place)
        }
        return (mapped.results, mapped.notices)
    }

    /// The column that holds preferred answers.
    private static let chosen = "chosen"

    /// What to tell about how a row is read where the settings do not say it.
    private func notice(on row: [String: JSONValue]) -> String? {
        switch ChatColumn.name(in: row, of: [messages] + ChatColumn.names) {
        case messages?: nil
        case let column?: "the conversations of column '\(column)' are learnt"
        case nil:
            row[completion] == nil && row[Self.chosen] != nil
                ? "what column '\(Self.chosen)' holds is learnt, and nothing of what was rejected" : nil
        }
    }

    /// The demonstration that one row stands for.
    func demonstration(from row: [String: JSONValue], at place: RowPlace) throws(DataError) -> Demonstration {
        if let column = ChatColumn.name(in: row, of: [messages] + ChatColumn.names) {
            return try dialogue(in: column, of: row, at: place)
        }
        if let answer = row[completion] { return try pair(row, answer, in: completion, at: place) }
        if let chosen = row[Self.chosen] { return try preferred(chosen, of: row, at: place) }
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

    private func dialogue(
        in column: String, of row: [String: JSONValue], at place: RowPlace
    ) throws(DataError) -> Demonstration {
        let messages = try ChatColumn.messages(
            row[column]?.array ?? [], in: column, system: row["system"], at: place)
        return .dialogue(prompt.withSystemPrompt(messages), variables: try variables(of: row, at: place))
    }

    /// The preferred answer to a prompt, or a whole conversation. Some data sets repeat the prompt in it.
    private func preferred(
        _ chosen: JSONValue, of row: [String: JSONValue], at place: RowPlace
    ) throws(DataError) -> Demonstration {
        guard row[prompt.prompt] != nil || prompt.promptTemplate != nil else {
            if case .string(let body) = chosen, !body.isEmpty { return .text(body) }
            return try dialogue(in: Self.chosen, of: row, at: place)
        }
        guard case .array(let turns) = chosen, case .array(let asked)? = row[prompt.prompt], turns.starts(with: asked)
        else { return try pair(row, chosen, in: Self.chosen, at: place) }
        return try pair(row, .array(Array(turns.dropFirst(asked.count))), in: Self.chosen, at: place)
    }

    private func variables(
        of row: [String: JSONValue], at place: RowPlace
    ) throws(DataError) -> [String: JSONValue] {
        try prompt.templateVariables(of: row, except: [completion, messages, text, Self.chosen, "rejected"], at: place)
    }

    private func pair(
        _ row: [String: JSONValue], _ answer: JSONValue, in column: String, at place: RowPlace
    ) throws(DataError) -> Demonstration {
        let question = try prompt.prompt(from: row, at: place)
        let variables = try variables(of: row, at: place)
        switch (question, answer) {
        case (.text(let question), .string(let answer)):
            return .continuation(prompt: question, completion: answer)
        case (.messages(let question), .string(let answer)):
            return .conversation(
                question + [Message(role: "assistant", content: answer)], promptCount: question.count,
                variables: variables)
        case (.messages(let question), .array(let turns)):
            let answer = try ChatColumn.messages(turns, in: column, at: place)
            return .conversation(question + answer, promptCount: question.count, variables: variables)
        case (.text, .array):
            throw place.error(
                .wrongType,
                "column '\(column)' holds messages and the prompt is text; wanted both as text or both as messages")
        case (_, let other):
            throw place.error(
                .wrongType,
                "wanted text or a list of messages in column '\(column)' for the completion, found \(other.kindName)")
        }
    }
}
