/// A table as Markdown writes it.
struct MarkdownTable {
    let text: String

    init(_ header: [String], _ rows: [[String]]) {
        let rule = header.map { _ in "---" }.joined(separator: "|")
        let lines = ["| " + header.joined(separator: " | ") + " |", "|\(rule)|"]
        text = (lines + rows.map { "| " + $0.joined(separator: " | ") + " |" }).map { $0 + "\n" }.joined()
    }
}
