/// One line of text in pieces of different looks. It is measured, cut and compared without its colours.
struct StyledLine: Equatable, Sendable {
    enum Style: Sendable {
        case plain, bold, dim
        /// What is done, of a bar.
        case done
        /// Outside of what is healthy.
        case warning

        fileprivate var code: String? {
            switch self {
            case .plain: nil
            case .bold: "1"
            case .dim: "2"
            case .done: "32"
            case .warning: "33"
            }
        }
    }

    private struct Span: Equatable {
        var text: String
        var style: Style
    }

    private var spans: [Span] = []

    init(_ text: String = "", _ style: Style = .plain) { append(text, style) }

    mutating func append(_ text: String, _ style: Style = .plain) {
        if !text.isEmpty { spans.append(Span(text: text, style: style)) }
    }

    mutating func append(_ line: StyledLine) { spans += line.spans }

    /// The text alone.
    var text: String { spans.map(\.text).joined() }

    /// Cells that it takes.
    var width: Int { spans.reduce(0) { $0 + CellWidth.of($1.text) } }

    /// The text with escape sequences for its looks.
    var coloredText: String {
        spans.map { span in span.style.code.map { "\u{1B}[\($0)m\(span.text)\u{1B}[0m" } ?? span.text }.joined()
    }

    /// The line as a terminal may get it, but for the escape sequences of its looks.
    var printable: StyledLine {
        spans.reduce(into: StyledLine()) { line, span in line.append(span.text.printable, span.style) }
    }

    /// The line, cut to so many cells.
    func truncated(to columns: Int, mark: String) -> StyledLine {
        guard width > columns else { return self }
        var result = StyledLine()
        var room = columns
        for span in spans {
            let text = CellWidth.truncated(span.text, to: room, mark: mark)
            result.append(text, span.style)
            room -= CellWidth.of(text)
            if text != span.text { break }
        }
        return result
    }

    /// Blanks up to so many cells.
    func padded(to columns: Int) -> StyledLine {
        var line = self
        line.append(String(repeating: " ", count: max(0, columns - width)))
        return line
    }
}
