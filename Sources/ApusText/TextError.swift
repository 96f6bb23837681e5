/// Why a tokenizer or a chat template could not be read or used.
public struct TextError: Error, CustomStringConvertible, Sendable, Equatable {
    /// The kind of failure, for callers that branch on it.
    public enum Code: Sendable, Equatable {
        /// A file is missing or cannot be read or written.
        case file
        /// A file was read, but its contents are not what its name promises.
        case malformed
        /// The file is sound, but asks for a tokenizer feature that is not implemented.
        case unsupported
        /// There is no chat template.
        case missingTemplate
        /// A chat template does not parse.
        case templateSyntax
        /// A chat template is sound, but asks for something that is not implemented.
        case templateUnsupported
        /// A chat template failed while it was rendered.
        case templateFailed
        /// A chat template refused the conversation through `raise_exception`.
        case templateRaised
        /// A chat template ran into a limit on steps, nesting or output.
        case templateLimit
    }

    /// The kind of failure.
    public let code: Code
    /// One line: what was wanted, what was found, and what to do about it.
    public let message: String
    /// The line of the template that failed, counted from 1; nil for everything that is not a template.
    public let line: Int?

    /// More characters say no more: a name out of a file may be as long as the file.
    private static let maximumLength = 500

    /// Makes an error; the message becomes one line that a person can read.
    package init(code: Code, message: String, line: Int? = nil) {
        self.code = code
        let words = message.split(whereSeparator: \.isNewline).joined(separator: " ")
        self.message = words.count > Self.maximumLength ? words.prefix(Self.maximumLength) + "…" : words
        self.line = line
    }

    /// The message, preceded by the template's line where there is one.
    public var description: String {
        guard let line else { return message }
        return "chat template, line \(line): \(message)"
    }
}
