/// A chat template: the small template language in which models ship the format of their conversations.
public struct ChatTemplate: Sendable {
    /// Parses a template.
    ///
    /// - Throws: `TextError` with the template's line.
    public init(source: String) throws(TextError) {
    }

    /// Renders the template with these variables.
    public func render(_ variables: [String: TemplateValue]) throws(TextError) -> String { "" }
}
