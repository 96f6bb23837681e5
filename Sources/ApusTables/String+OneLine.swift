extension String {
    /// The text with line breaks turned into spaces, so that a message stays on one line.
    package var onOneLine: String { split(whereSeparator: \.isNewline).joined(separator: " ") }
}
