import ApusFormats

/// What a column of a text table holds, found by reading all of it: the narrowest kind that every cell is of.
///
/// Unlike pandas, which `datasets` reads with, words such as `NA` and `None` are text, and numbers with leading zeros are not
/// numbers: an answer must not change by being read.
enum CSVColumn {
    /// Nothing but cells that are missing.
    case empty
    case flag
    case integer
    case number
    case text

    /// The kind that holds this cell too.
    mutating func widen(to cell: CSVRecords.Field) {
        if self == .text || cell.isMissing { return }
        let kind = Self.kind(of: cell.bytes)
        switch (self, kind) {
        case (.empty, _): self = kind
        case (.integer, .number), (.number, .integer): self = .number
        case (let known, let other): if known != other { self = .text }
        }
    }

    /// A cell of a column of this kind.
    func value(of cell: CSVRecords.Field, _ text: String) -> JSONValue {
        if cell.isMissing { return .null }
        return switch self {
        case .flag: .bool(text.utf8.first == UInt8(ascii: "t") || text.utf8.first == UInt8(ascii: "T"))
        case .integer: JSONValue(jsonNumber: text) ?? .string(text)
        case .number: Double(text).map { .number($0) } ?? .string(text)
        case .empty, .text: .string(text)
        }
    }

    private static let flags: [[UInt8]] = ["true", "True", "TRUE", "false", "False", "FALSE"].map { Array($0.utf8) }

    private static func kind(of bytes: [UInt8]) -> CSVColumn {
        guard let first = bytes.first, bytes.count <= 400 else { return .text }
        if flags.contains(bytes) { return .flag }
        guard first == UInt8(ascii: "-") || isDigit(first) else { return .text }
        // JSON's numbers: no plus, no leading zeros, digits on both sides of a point.
        var reader = JSONReader(bytes)
        guard let text = try? reader.number(), reader.offset == bytes.count, let value = JSONValue(jsonNumber: text)
        else { return .text }
        if case .number = value { return .number }
        return .integer
    }

    private static func isDigit(_ byte: UInt8) -> Bool { UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte }
}
