import ApusFormats

/// The rows of a JSON array, one at a time, each with the line that it starts on.
struct JSONArrayReader: RowReader {
    let rowCount: Int? = nil
    let reasonForNoRows = "the array is empty"
    private let file: String
    private let bytes: [UInt8]
    private var reader: JSONReader
    private var line = 1
    private var counted = 0

    /// - Parameter text: from the bracket that opens the array, with white space before it.
    init(_ text: consuming LineReader, file: String) throws(DataError) {
        self.file = file
        bytes = try text.rest()
        if String(validating: bytes, as: UTF8.self) == nil {
            // No character goes on over the end of a line, so one of the lines is at fault.
            let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            let line = lines.firstIndex { String(validating: $0, as: UTF8.self) == nil } ?? 0
            throw DataError(
                .invalidText, file: file, at: .line(line + 1),
                message: "wanted UTF-8 text, found other bytes; save the file as UTF-8")
        }
        reader = JSONReader(bytes)
        do throws(JSONReader.Failure) { try reader.beginArray() } catch { throw located(error) }
    }

    /// The next row; nil after the last one, when nothing but white space may follow the array.
    mutating func next() throws(DataError) -> Row? {
        let place: RowPlace
        let value: JSONValue
        do throws(JSONReader.Failure) {
            guard try reader.nextElement() else {
                try reader.end()
                return nil
            }
            place = RowPlace(file: file, .line(lineNumber(at: reader.offset)))
            value = try reader.value()
        } catch {
            throw located(error)
        }
        return try Row(value, at: place)
    }

    private mutating func located(_ failure: JSONReader.Failure) -> DataError {
        DataError(
            .invalidJSON, file: file, at: .line(lineNumber(at: failure.offset)),
            message: "\(failure.message.onOneLine); the file must be one array of objects")
    }

    /// Positions only grow, so each byte is looked at once over all calls.
    private mutating func lineNumber(at offset: Int) -> Int {
        line += bytes[counted..<max(counted, offset)].count { $0 == UInt8(ascii: "\n") }
        counted = max(counted, offset)
        return line
    }
}
