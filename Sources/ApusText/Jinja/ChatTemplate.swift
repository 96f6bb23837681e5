public import Foundation

/// A chat template: the language of Jinja2, as transformers sets it up, in which models ship the format of their
/// conversations.
///
/// A template sees the variables it is given and nothing else: no files, no environment, only the date when it asks
/// for it through `strftime_now`.
public struct ChatTemplate: Sendable {
    private let syntax: TemplateSyntax
    /// The names that the template reads, its own among them.
    var names: Set<String> { syntax.names }

    /// The variables that a template cannot do without: it reads them, and neither sets them nor asks whether they are there.
    package var wantedNames: Set<String> {
        syntax.wantedNames.subtracting(Interpreter.globalFunctions.keys).subtracting(Self.ownNames)
    }

    /// What loops and macros set by themselves.
    private static let ownNames = ["loop", "varargs", "kwargs", "caller"]

    /// Whether the template marks what the assistant says (`{% generation %}`).
    var marksGenerations: Bool { syntax.marksGenerations }

    /// A part of a rendered text.
    package struct Part: Sendable, Equatable {
        /// The text of the part.
        package let text: String
        /// Whether it is the assistant's.
        package let isGenerated: Bool
    }

    /// Parses a template.
    ///
    /// - Throws: `TextError` with the template's line.
    public init(source: String) throws(TextError) {
        syntax = try Parser.parse(source)
    }

    /// Renders the template.
    ///
    /// - Parameters:
    ///   - variables: what the template can read, by name.
    ///   - limits: how much the template may do.
    ///   - date: the time that `strftime_now` tells.
    /// - Throws: `TextError` with the template's line when the template fails, refuses, or runs into a limit.
    public func render(
        _ variables: [String: JSONValue], limits: Limits = Limits(), date: Date = Date()
    ) throws(TextError) -> String {
        try Interpreter(syntax, variables: variables, limits: limits, date: date).render()
    }

    /// Renders the template in parts: what `{% generation %}` marks as the assistant's, and what is between.
    ///
    /// - Throws: as `render`, and where the marks stand in text that is put together apart.
    func renderParts(_ variables: [String: JSONValue]) throws(TextError) -> [Part] {
        try Interpreter(syntax, variables: variables, limits: Limits(), date: Date()).renderParts()
    }
}
