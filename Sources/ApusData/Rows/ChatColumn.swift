import ApusTables
import ApusText

/// Columns that hold conversations: lists of turns with `role` and `content`, or with `from` and `value` as ShareGPT has them.
enum ChatColumn {
    /// The columns that are taken for conversations where nobody names one.
    static let names = ["messages", "conversations"]

    /// ShareGPT's speakers under the names that templates know.
    private static let roles = [
        "human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "chatgpt": "assistant",
        "bing": "assistant", "bard": "assistant", "model": "assistant", "system": "system", "tool": "tool",
        "observation": "tool", "function_response": "tool",
    ]

    /// The first of these columns that holds a list.
    static func name(in row: [String: JSONValue], of names: [String] = names) -> String? {
        names.first { if case .array? = row[$0] { true } else { false } }
    }

    /// The messages of a list of turns.
    ///
    /// - Parameters:
    ///   - column: where they stand, for messages.
    ///   - system: a column of text beside it, which some data sets of ShareGPT's form keep the system message in.
    /// - Throws: ``DataError`` for what is no turn.
    static func messages(
        _ turns: [JSONValue], in column: String, system: JSONValue? = nil, at place: RowPlace
    ) throws(DataError) -> [Message] {
        guard !turns.isEmpty else {
            throw place.error(.wrongType, "wanted at least one message in column '\(column)', found an empty list")
        }
        var messages: [Message] = []
        for (index, turn) in turns.enumerated() {
            messages.append(try message(turn, index + 1, in: column, at: place))
        }
        if turns[0]["from"] != nil, messages[0].role != "system", let text = system?.string, !text.isEmpty {
            messages.insert(Message(role: "system", content: text), at: 0)
        }
        return messages
    }

    /// A turn with all its keys but those that are null, which tables put where a row lacks what others have.
    private static func message(
        _ turn: JSONValue, _ number: Int, in column: String, at place: RowPlace
    ) throws(DataError) -> Message {
        let fields = (turn.members ?? []).filter { $0.value != .null }
        var message = Message(fields: fields)
        if message["role"] == nil, let speaker = message["from"]?.string, let text = message["value"] {
            message = Message(fields: [
                .init(key: "role", value: .string(try role(of: speaker, number, in: column, at: place))),
                .init(key: "content", value: text),
            ])
        }
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

    private static func role(
        of speaker: String, _ number: Int, in column: String, at place: RowPlace
    ) throws(DataError) -> String {
        guard let role = roles[speaker] else {
            throw place.error(
                .wrongType,
                "wanted human, gpt, system or tool as the speaker of message \(number) in column '\(column)', found "
                    + "'\(speaker.prefix(60).description.onOneLine)'; write it with role and content")
        }
        return role
    }

    /// Text, or a list of parts of text.
    private static func check(_ content: JSONValue, _ name: String, at place: RowPlace) throws(DataError) {
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
}
