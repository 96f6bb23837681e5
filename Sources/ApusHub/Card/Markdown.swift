import Foundation

/// Texts from elsewhere in Markdown: bounded, on one line, and without any meaning of their own.
enum Markdown {
    /// A text as it is, in the letters of a typewriter.
    static func code(_ text: String) -> String {
        let limit = 200
        let line = text.unicodeScalars.prefix(limit).map { scalar -> Character in
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator: " "
            default: Character(scalar)
            }
        }
        let plain = String(line).replacing("`", with: "'").replacing("|", with: "\\|")
        let rest = text.unicodeScalars.count > limit ? "…" : ""
        return plain.allSatisfy { $0 == " " } ? "` `" : "`\(plain)\(rest)`"
    }

    static func table(_ head: [String], _ rows: [[String]]) -> String {
        let lines = [head, head.map { _ in "---" }] + rows
        return lines.map { "| \($0.joined(separator: " | ")) |" }.joined(separator: "\n")
    }

    static func block(_ language: String, _ text: String) -> String { "```\(language)\n\(text)\n```" }
}
