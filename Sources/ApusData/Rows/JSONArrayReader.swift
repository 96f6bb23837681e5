import Foundation

/// The rows of a JSON array, one at a time, each with the line that it starts on.
struct JSONArrayReader {
    private let file: String
    private let bytes: [UInt8]
    private var parser: JSONParser
    private var isFirst = true
    private var line = 1
    private var counted: Int

    init(path: String) throws(DataError) {
        file = path
        var reader = try LineReader(path: path)
        bytes = try reader.rest()
        guard String(validating: bytes, as: UTF8.self) != nil else {
            throw DataError(.invalidText, file: path, message: "wanted UTF-8 text, found other bytes; save it as UTF-8")
        }
        parser = JSONParser(bytes[...])
        counted = 0
        guard let first = parser.peek() else {
            throw DataError(.empty, file: path, message: "wanted at least one row, found 0: the file is empty")
        }
        if first == UInt8(ascii: "{") {
            throw DataError(
                .wrongType, file: path,
                message: "wanted an array of rows, found an object; for one object a line name the file .jsonl")
        }
        try located { (parser) throws(JSONParser.Failure) in try parser.expect("[") }
    }

    /// The next row; nil after the last one, when nothing but white space may follow the array.
    mutating func next() throws(DataError) -> (row: [String: JSONValue], place: RowPlace)? {
        if parser.peek() == UInt8(ascii: "]") {
            try located { (parser) throws(JSONParser.Failure) in
                try parser.expect("]")
                try parser.end()
            }
            return nil
        }
        if !isFirst { try located { (parser) throws(JSONParser.Failure) in try parser.expect(",") } }
        isFirst = false
        _ = parser.peek()
        let place = RowPlace(file: file, line: lineNumber(at: parser.position))
        let value = try located { (parser) throws(JSONParser.Failure) in try parser.value() }
        return (try place.members(of: value), place)
    }

    /// Runs one parsing step and turns its failure into an error with a line.
    private mutating func located<R>(
        _ step: (inout JSONParser) throws(JSONParser.Failure) -> R
    ) throws(DataError) -> R {
        do {
            return try step(&parser)
        } catch {
            throw DataError(
                .invalidJSON, file: file, line: lineNumber(at: error.offset),
                message: "\(error.reason); the file must be one array of objects")
        }
    }

    /// Positions only grow, so each byte is looked at once over all calls.
    private mutating func lineNumber(at offset: Int) -> Int {
        line += bytes[counted..<max(counted, offset)].count { $0 == UInt8(ascii: "\n") }
        counted = max(counted, offset)
        return line
    }
}
