/// What a line means in a conversation.
enum ChatInput: Equatable {
    case message(String)
    case reset
    case save(String)
    case exit
    case help
    /// Nothing to do.
    case blank
    /// A command that is not known or lacks its argument, with what to say about it.
    case mistake(String)

    init(_ line: String) {
        let text = line.trimmingWhitespace
        guard !text.isEmpty else {
            self = .blank
            return
        }
        guard text.hasPrefix("/") else {
            self = .message(text)
            return
        }
        if text.hasPrefix("//") {
            self = .message(String(text.dropFirst()))
            return
        }
        let parts = text.split(maxSplits: 1, whereSeparator: \.isWhitespace)
        let argument = parts.count > 1 ? String(parts[1]).trimmingWhitespace : ""
        switch (parts[0], argument.isEmpty) {
        case ("/reset", true): self = .reset
        case ("/exit", true), ("/quit", true): self = .exit
        case ("/help", true): self = .help
        case ("/save", false): self = .save(argument)
        case ("/save", true): self = .mistake("/save wants a file's name, such as /save chat.json")
        default:
            self = .mistake(
                "'\(text)' is no command: /reset, /save FILE, /exit, /help; // begins a message with a slash")
        }
    }
}

extension String {
    fileprivate var trimmingWhitespace: String {
        guard let first = firstIndex(where: { !$0.isWhitespace }), let last = lastIndex(where: { !$0.isWhitespace })
        else { return "" }
        return String(self[first...last])
    }
}
