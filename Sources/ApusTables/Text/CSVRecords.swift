/// The records of a text of separated fields, as RFC 4180 has them: fields in quotes may hold separators, line breaks and, doubled,
/// quotes. Empty lines are no records.
struct CSVRecords {
    struct Field: Equatable {
        var bytes: [UInt8] = []
        /// Whether quotes stood around it: an empty text then, and not nothing.
        var isQuoted = false

        /// Nothing between two separators, which is how tables write a value that is not there.
        var isMissing: Bool { bytes.isEmpty && !isQuoted }
    }

    struct Record {
        let fields: [Field]
        /// On which it begins.
        let line: Int
    }

    private static let quote = UInt8(ascii: "\"")
    private let file: String
    private let separator: UInt8
    private var lines: LineReader

    init(_ lines: LineReader, separator: UInt8, file: String) {
        self.lines = lines
        self.separator = separator
        self.file = file
    }

    /// The next record; nil after the last one.
    ///
    /// - Throws: ``DataError`` for quotes that are not closed, or closed within a field.
    mutating func next() throws(DataError) -> Record? {
        var line = try lines.next()
        while let empty = line, empty.bytes.isEmpty { line = try lines.next() }
        guard var line else { return nil }
        let first = line.number
        var fields: [Field] = []
        var rest = line.bytes
        while true {
            guard rest.first == Self.quote else {
                let end = rest.firstIndex(of: separator)
                fields.append(Field(bytes: Array(rest[..<(end ?? rest.endIndex)])))
                guard let end else { break }
                rest = rest[(end + 1)...]
                continue
            }
            fields.append(try quotedField(from: &rest, in: &line, of: first))
            guard let next = rest.popFirst() else { break }
            guard next == separator else {
                throw DataError(
                    .damaged, file: file, at: .line(line.number),
                    message:
                        "wanted the end of field \(fields.count) after its closing quote, found more text; write a "
                        + "quote inside of quotes twice")
            }
        }
        return Record(fields: fields, line: first)
    }

    /// The text between two quotes, which may go on over several lines.
    ///
    /// - Parameters:
    ///   - rest: from the opening quote on; afterwards what follows the closing one.
    ///   - start: the line on which the record begins.
    private mutating func quotedField(
        from rest: inout ArraySlice<UInt8>, in line: inout LineReader.Line, of start: Int
    ) throws(DataError) -> Field {
        var field = Field(isQuoted: true)
        rest.removeFirst()
        while true {
            if let end = rest.firstIndex(of: Self.quote) {
                field.bytes += rest[..<end]
                rest = rest[(end + 1)...]
                guard rest.first == Self.quote else { return field }
                field.bytes.append(Self.quote)
                rest.removeFirst()
                continue
            }
            field.bytes += rest
            if line.endsWithCarriageReturn { field.bytes.append(UInt8(ascii: "\r")) }
            field.bytes.append(UInt8(ascii: "\n"))
            guard let next = try lines.next() else {
                throw DataError(
                    .damaged, file: file, at: .line(start),
                    message:
                        "wanted a closing quote, found the end of the file; a field of the record that begins here "
                        + "opens a quote that nothing closes")
            }
            line = next
            rest = next.bytes
        }
    }
}
