import ApusFormats

/// The rows of JSON Lines: one object a line, blank lines are skipped.
struct JSONLinesReader: RowReader {
    let rowCount: Int? = nil
    var reasonForNoRows: String { blankLines == 0 ? "the file is empty" : "all \(blankLines) lines are blank" }
    private let file: String
    private var lines: LineReader
    private var blankLines = 0

    init(_ lines: consuming LineReader, file: String) {
        self.lines = lines
        self.file = file
    }

    mutating func next() throws(DataError) -> Row? {
        while let line = try lines.next() {
            guard line.bytes.contains(where: { $0 != 0x20 && $0 != 0x09 && $0 != 0x0D }) else {
                blankLines += 1
                continue
            }
            return try row(line)
        }
        return nil
    }

    private func row(_ line: LineReader.Line) throws(DataError) -> Row {
        let place = RowPlace(file: file, .line(line.number))
        guard String(validating: line.bytes, as: UTF8.self) != nil else {
            throw place.error(.invalidText, "wanted UTF-8 text, found other bytes; save the file as UTF-8")
        }
        let value: JSONValue
        do throws(JSONReader.Failure) {
            value = try JSONValue(json: line.bytes)
        } catch {
            let found = "\(error.message.onOneLine) at byte \(error.offset + 1) of the line"
            throw place.error(.invalidJSON, "\(found); each line must be one object")
        }
        return try Row(value, at: place)
    }
}
