public import Foundation

/// A chat template: the small template language, a subset of Jinja2, in which models ship the format of their
/// conversations.
///
/// A template sees the variables it is given and nothing else: no files, no environment, only the date when it asks
/// for it through `strftime_now`.
public struct ChatTemplate: Sendable {
    private let statements: [Statement]
    /// The names that the template reads, its own among them.
    let names: Set<String>

    /// Parses a template.
    ///
    /// - Throws: `TextError` with the template's line.
    public init(source: String) throws(TextError) {
        (statements, names) = try Parser.parse(source)
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
        var interpreter = Interpreter(variables: variables, limits: limits, date: date)
        return try interpreter.render(statements)
    }
}
