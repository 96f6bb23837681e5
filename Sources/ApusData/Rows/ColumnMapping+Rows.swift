import ApusTables
import ApusText

extension ColumnMapping {
    /// The keys of a row that are no columns for rewards, as in TRL.
    private static let reserved: Set<String> = ["prompt", "completion", "completion_ids"]
    /// The column in which rewards find the reference answer.
    static let answer = "answer"

    /// The sample that one row of a file stands for.
    func sample(from row: [String: JSONValue], at place: RowPlace) throws(DataError) -> Sample {
        let prompt = try prompt(from: row, at: place)
        var columns = row.filter { !Self.reserved.contains($0.key) }
        if answer != nil || row[Self.answer] != nil || answerExtraction != .none {
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
        let column = row[prompt] == nil && row["prompt"] != nil ? "prompt" : prompt
        switch try value(of: column, for: "the prompt", in: row, at: place) {
        case .string(let text) where column == "prompt" && systemPrompt == nil:
            return .text(text)
        case .string(let text):
            return .messages(withSystemPrompt([Message(role: "user", content: text)]))
        case .array(let turns):
            return .messages(withSystemPrompt(try messages(turns, in: column, at: place)))
        case let other:
            throw place.error(
                .wrongType,
                "wanted text or a list of messages in column '\(column)' for the prompt, found \(other.kindName)")
        }
    }

    func withSystemPrompt(_ messages: [Message]) -> [Message] {
        guard let systemPrompt, !messages.contains(where: { $0.role == "system" }) else { return messages }
        return [Message(role: "system", content: systemPrompt)] + messages
    }

    func messages(
        _ turns: [JSONValue], in column: String, at place: RowPlace
    ) throws(DataError) -> [Message] {
        guard !turns.isEmpty else {
            throw place.error(.wrongType, "wanted at least one message in column '\(column)', found an empty list")
        }
        var messages: [Message] = []
        for (index, turn) in turns.enumerated() {
            messages.append(try message(turn, index + 1, in: column, at: place))
        }
        return messages
    }

    /// A turn with all its keys but those that are null, which tables put where a row lacks what others have.
    private func message(
        _ turn: JSONValue, _ number: Int, in column: String, at place: RowPlace
    ) throws(DataError) -> Message {
        let fields = (turn.members ?? []).filter { $0.value != .null }
        let message = Message(fields: fields)
        let hasContent = message["content"] != nil || message["tool_calls"] != nil
        guard message["role"]?.string != nil, hasContent else {
            let found = turn.members.map { "keys \($0.map(\.key).sorted().joined(separator: ", "))" } ?? turn.kindName
            throw place.error(
                .wrongType,
                "wanted messages of the form {\"role\": text, \"content\": text} in column '\(column)', found "
                    + "\(found.onOneLine) as message \(number)")
        }
        try check(message["content"] ?? "", "message \(number) of column '\(column)'", at: place)
        return message
    }

    /// Text, or a list of parts of text.
    private func check(_ content: JSONValue, _ name: String, at place: RowPlace) throws(DataError) {
        switch content {
        case .string: return
        case .array(let parts):
            for part in parts where Message.text(ofPart: part) == nil {
                let found = part["type"]?.string.map { "a part of type '\($0.onOneLine)'" } ?? part.kindName
                throw place.error(
                    .wrongType, "wanted parts of text in the content of \(name), found \(found); models read text only")
            }
        default:
            throw place.error(
                .wrongType, "wanted text or a list of parts as the content of \(name), found \(content.kindName)")
        }
    }

    /// The reference answer in its own type, as every column.
    private func answerValue(
        in column: String, of row: [String: JSONValue], at place: RowPlace
    ) throws(DataError) -> JSONValue {
        switch (try value(of: column, for: "the answer", in: row, at: place), answerExtraction) {
        case (let value, .none): return value
        case (.string(let text), .afterHashes): return .string(PythonText(text).afterLast("####").stripped.string)
        case (let other, .afterHashes):
            throw place.error(
                .wrongType,
                "wanted text with '#### answer' in column '\(column)' for the answer, found \(other.kindName)")
        }
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
