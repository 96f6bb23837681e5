import ApusText

extension ColumnMapping {
    /// The keys of a row that are no columns for rewards, as in TRL.
    private static let reserved: Set<String> = ["prompt", "completion", "completion_ids"]

    /// The sample that one row of a file stands for.
    func sample(from row: [String: JSONValue], at place: RowPlace) throws(DataError) -> Sample {
        let prompt = try prompt(from: row, at: place)
        var columns = row.filter { !Self.reserved.contains($0.key) }
        if let answer { columns["answer"] = try answerValue(in: answer, of: row, at: place) }
        return Sample(prompt: prompt, columns: columns)
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
            guard let role = turn.object?["role"]?.string, let content = turn.object?["content"]?.string else {
                let found = turn.object.map { "keys \($0.keys.sorted().joined(separator: ", "))" } ?? turn.kindName
                throw place.error(
                    .wrongType,
                    "wanted messages of the form {\"role\": text, \"content\": text} in column '\(column)', found "
                        + "\(found.onOneLine) as message \(index + 1)")
            }
            messages.append(Message(role: role, content: content))
        }
        return messages
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
