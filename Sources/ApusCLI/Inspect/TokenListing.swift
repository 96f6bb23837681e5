import Apus
import ApusFormats

/// Tokens with what they stand for, as `apus tokenize` shows them.
struct TokenListing: Encodable {
    struct Entry: Encodable {
        var id: Int32
        /// The token as the vocabulary spells it.
        var piece: String
        /// What it stands for, where it begins and ends between characters: parts of one turn into U+FFFD.
        var text: String
        var bytes: [UInt8]
        var isSpecial: Bool

        enum CodingKeys: String, CodingKey {
            case id, piece, text, bytes
            case isSpecial = "special"
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(id, forKey: .id)
            try container.encode(piece, forKey: .piece)
            try container.encode(text, forKey: .text)
            try container.encode(bytes.map(Self.digits).joined(), forKey: .bytes)
            try container.encode(isSpecial, forKey: .isSpecial)
        }

        static func digits(_ byte: UInt8) -> String {
            byte.hexadecimal(width: 2)
        }
    }

    /// More bytes of a token are left out of the table.
    private static let shownBytes = 12

    let text: String
    let entries: [Entry]

    enum CodingKeys: String, CodingKey {
        case text
        case tokenIDs = "token_ids"
        case entries = "tokens"
    }

    init(_ tokens: [Int32], _ tokenizer: Tokenizer) {
        text = tokenizer.decode(tokens, skipSpecialTokens: false)
        entries = tokens.map { id in
            let bytes = tokenizer.bytes(of: id)
            return Entry(
                id: id, piece: tokenizer.token(id) ?? "", text: String(decoding: bytes, as: UTF8.self), bytes: bytes,
                isSpecial: tokenizer.isSpecial(id))
        }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(text, forKey: .text)
        try container.encode(entries.map(\.id), forKey: .tokenIDs)
        try container.encode(entries, forKey: .entries)
    }

    func summary(template: Bool) -> String {
        let tokens = entries.count == 1 ? "1 token" : "\(entries.count) tokens"
        return "\(tokens) of \(text.utf8.count) bytes, \(template ? "with" : "without") the chat template"
    }

    /// The text with its tokens in turn bold and plain, and special ones as what is outside of the text.
    var coloredLines: [StyledLine] {
        var lines = [StyledLine()]
        for (index, entry) in entries.enumerated() {
            let style: StyledLine.Style = entry.isSpecial ? .warning : index.isMultiple(of: 2) ? .bold : .dim
            // A line break ends the line in the look of its token.
            for (part, text) in entry.text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
                if part > 0 {
                    lines[lines.count - 1].append("⏎", style)
                    lines.append(StyledLine())
                }
                lines[lines.count - 1].append(String(text), style)
            }
        }
        return lines + [StyledLine()]
    }

    func table() throws -> TextTable {
        var table = TextTable(head: ["token", "", "bytes", "place", "id"], wordColumns: 3)
        for (index, entry) in entries.enumerated() {
            let digits = entry.bytes.prefix(Self.shownBytes).map(Entry.digits).joined(separator: " ")
            table.add([
                try JSONLine.encode(entry.text), entry.isSpecial ? "special" : "",
                digits + (entry.bytes.count > Self.shownBytes ? " …" : ""), String(index), String(entry.id),
            ])
        }
        return table
    }
}
