import ApusTables
import ApusText

/// A text made of the columns of a row, in the language of chat templates (Jinja2): `{{ question }} Answer in {{ unit }}.`
public struct RowTemplate: Sendable, Equatable {
    /// As it was written.
    public let source: String
    private let key: String
    private let template: ChatTemplate

    /// A row makes a text, not a book.
    private static let limits = ChatTemplate.Limits(steps: 1_000_000, outputBytes: 4 << 20)

    /// - Parameter key: the setting that holds it, for messages.
    /// - Throws: ``DataError`` for what is no template.
    public init(_ source: String, key: String = "prompt_template") throws(DataError) {
        try self.init(source, key, rendering: source)
    }

    /// Whether a row stays: an expression such as `level >= 4 and 'proof' not in question`.
    ///
    /// - Throws: ``DataError`` for what is no expression.
    public init(condition: String, key: String = "row_filter") throws(DataError) {
        try self.init(condition, key, rendering: "{% if \(condition) %}\(Self.yes){% endif %}")
    }

    private static let yes = "1"

    private init(_ source: String, _ key: String, rendering text: String) throws(DataError) {
        self.source = source
        self.key = key
        do throws(TextError) {
            template = try ChatTemplate(source: text)
        } catch {
            throw DataError(.invalidTemplate, file: key, message: "\(error)")
        }
    }

    /// Whether both were written alike.
    public static func == (one: RowTemplate, other: RowTemplate) -> Bool {
        one.source == other.source && one.key == other.key
    }

    /// The text of a row.
    ///
    /// - Throws: ``DataError`` for a column that the row lacks, unless the template asks whether it is defined, and for a
    ///   template that fails.
    func text(of row: [String: JSONValue], at place: RowPlace) throws(DataError) -> String {
        let lacking = template.wantedNames.filter { row[$0] == nil }
        guard lacking.isEmpty else {
            let found = row.isEmpty ? "no columns" : row.keys.sorted().joined(separator: ", ").onOneLine
            throw place.error(
                .missingColumn, "\(key) wants column '\(lacking.sorted()[0])', found \(found); use a column's own name")
        }
        do throws(TextError) {
            return try template.render(row, limits: Self.limits)
        } catch {
            throw place.error(.invalidTemplate, "\(key): \(error)")
        }
    }

    /// Whether a condition holds for a row.
    ///
    /// - Throws: as ``text(of:at:)``.
    func holds(for row: [String: JSONValue], at place: RowPlace) throws(DataError) -> Bool {
        try text(of: row, at: place) == Self.yes
    }
}
