import ApusTables
import ApusText

extension ColumnMapping {
    /// The keys of a row that are no columns for rewards, as in TRL.
    private static let reserved: Set<String> = ["prompt", "completion", "completion_ids"]
    /// The column in which rewards find the reference answer.
    static let answer = "answer"
    /// The column that TRL has prompts in.
    private static let trlPrompt = "prompt"

    /// The sample that one row of a file stands for.
    func sample(from row: [String: JSONValue], at place: RowPlace) throws(DataError) -> Sample {
        let prompt = try prompt(from: row, at: place)
        var columns = row.filter { !Self.reserved.contains($0.key) }
        if let answerTemplate {
            columns[Self.answer] = .string(try answerTemplate.text(of: row, at: place))
        } else if answer != nil || row[Self.answer] != nil || answerExtraction != .none {
            columns[Self.answer] = try answerValue(in: answer ?? Self.answer, of: row, at: place)
        }
        return Sample(prompt: prompt, columns: columns, templateVariables: try templateVariables(of: row, at: place))
    }

    /// Variables of a chat template that no column of text replaces.
    private static let templateNames: Set<String> = [
        "messages", "prompt", "completion", "add_generation_prompt", "documents", "bos_token", "eos_token", "unk_token",
        "pad_token",
    ]

    /// What a row gives the chat template beside its messages: its tools, each column of text under its name, and what
    /// `chat_template_kwargs` says, here and in the row.
    ///
    /// - Parameter others: columns that are read for something else.
    func templateVariables(
        of row: [String: JSONValue], except others: [String] = [], at place: RowPlace
    ) throws(DataError) -> [String: JSONValue] {
        var variables = templateArguments
        let taken = Self.templateNames.union(others + [prompt])
        for (name, value) in row where !taken.contains(name) {
            if case .string = value { variables[name] = value }
        }
        variables["tools"] = try tools(of: row, at: place)
        switch row["chat_template_kwargs"] {
        case nil, .null?: break
        case .object(let members)?: for member in members { variables[member.key] = member.value }
        case let other?:
            throw place.error(
                .wrongType, "wanted an object in column 'chat_template_kwargs', found \(other.kindName)")
        }
        return variables
    }

    /// The definitions of tools: a list, or the JSON of one; nil for none, since templates write a heading for an empty list.
    private func tools(of row: [String: JSONValue], at place: RowPlace) throws(DataError) -> JSONValue? {
        var value = row["tools"] ?? .null
        if case .string(let text) = value {
            value = text.allSatisfy(\.isWhitespace) ? .null : (try? JSONValue(json: text.utf8)) ?? value
        }
        switch value {
        case .null, .array([]): return templateArguments["tools"]
        case .array: return value
        default:
            throw place.error(
                .wrongType, "wanted a list of tools, or its JSON, in column 'tools', found \(value.kindName)")
        }
    }

    func prompt(from row: [String: JSONValue], at place: RowPlace) throws(DataError) -> Prompt {
        if let promptTemplate {
            let text = try promptTemplate.text(of: row, at: place)
            return .messages(withSystemPrompt([Message(role: "user", content: text)]))
        }
        if let column = chatColumn(in: row) { return .messages(try question(in: column, of: row, at: place)) }
        let column = row[prompt] == nil && row[Self.trlPrompt] != nil ? Self.trlPrompt : prompt
        switch try value(of: column, for: "the prompt", in: row, at: place) {
        case .string(let text) where column == Self.trlPrompt && systemPrompt == nil:
            return .text(text)
        case .string(let text):
            return .messages(withSystemPrompt([Message(role: "user", content: text)]))
        case .array(let turns):
            return .messages(withSystemPrompt(try ChatColumn.messages(turns, in: column, at: place)))
        case let other:
            throw place.error(
                .wrongType,
                "wanted text or a list of messages in column '\(column)' for the prompt, found \(other.kindName)")
        }
    }

    /// The column that holds whole conversations, of whose turns the prompt is made since nothing else is named or there.
    private func chatColumn(in row: [String: JSONValue]) -> String? {
        guard prompt == Self.standardPrompt, row[prompt] == nil, row[Self.trlPrompt] == nil else { return nil }
        return ChatColumn.name(in: row)
    }

    /// A conversation up to where the assistant says the last time what the model is to say.
    private func question(
        in column: String, of row: [String: JSONValue], at place: RowPlace
    ) throws(DataError) -> [Message] {
        var messages = try ChatColumn.messages(
            row[column]?.array ?? [], in: column, system: row["system"], at: place)
        while messages.last?.role == "assistant" { messages.removeLast() }
        guard !messages.isEmpty else {
            throw place.error(
                .wrongType, "wanted a turn before the assistant's in column '\(column)', found none; name prompt_column"
            )
        }
        return withSystemPrompt(messages)
    }

    /// What to tell about how a row is read where the settings do not say it.
    func notice(on row: [String: JSONValue]) -> String? {
        guard promptTemplate == nil, let column = chatColumn(in: row) else { return nil }
        return "prompts are the turns of column '\(column)' before the assistant's last; prompt_column names another"
    }

    func withSystemPrompt(_ messages: [Message]) -> [Message] {
        guard let systemPrompt, !messages.contains(where: { $0.role == "system" }) else { return messages }
        return [Message(role: "system", content: systemPrompt)] + messages
    }

    /// The reference answer in its own type, as every column.
    private func answerValue(
        in column: String, of row: [String: JSONValue], at place: RowPlace
    ) throws(DataError) -> JSONValue {
        let value = try value(of: column, for: "the answer", in: row, at: place)
        if answerExtraction == .none { return value }
        guard let text = value.string else {
            throw place.error(
                .wrongType,
                "wanted text with \(answerExtraction.mark) in column '\(column)' for the answer, found \(value.kindName)"
            )
        }
        guard let answer = answerExtraction.answer(in: PythonText(text)) else {
            throw place.error(
                .wrongType,
                "wanted \(answerExtraction.mark) in column '\(column)' for the answer, found none; leave such rows out with "
                    + "row_filter")
        }
        return .string(answer.string)
    }

    private func value(
        of column: String, for purpose: String, in row: [String: JSONValue], at place: RowPlace
    ) throws(DataError) -> JSONValue {
        if let value = row[column] { return value }
        let found = row.isEmpty ? "no columns" : row.keys.sorted().joined(separator: ", ").onOneLine
        throw place.error(
            .missingColumn,
            "wanted column '\(column)' for \(purpose), found \(found); "
                + "name the right column (prompt_column, answer_column)")
    }
}
