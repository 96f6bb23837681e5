import ApusFormats
import FuzzDriver

@testable import ApusTables

/// Rows of a text, whose first byte says of which kind: both have one reader of lines below them.
fuzz { start, count in
    let input = UnsafeRawBufferPointer(start: start, count: count)
    guard let kind = input.first else { return -1 }
    let bytes = [UInt8](input.dropFirst())
    do throws(DataError) {
        var reader = try textReader(kind, bytes)
        var rows = 0
        while let row = try reader.next() {
            rows += 1
            precondition(row.value.members != nil)
        }
        if let count = reader.rowCount { precondition(count == rows, "\(rows) of \(count) rows") }
        if rows == 0 { precondition(!reader.reasonForNoRows.isEmpty) }
    } catch {
        precondition(!error.description.utf8.contains(UInt8(ascii: "\n")), "an error of several lines")
        precondition(error.description.utf8.count < 2000, "an error of many words")
    }
    return 0
}

private func textReader(_ kind: UInt8, _ bytes: [UInt8]) throws(DataError) -> any RowReader {
    let lines = try LineReader(bytes: bytes, file: "input")
    switch kind % 4 {
    case 0: return JSONLinesReader(lines, file: "input")
    case 1: return try JSONArrayReader(lines, file: "input")
    default:
        let separator = UInt8(ascii: kind % 4 == 2 ? "," : "\t")
        return try CSVReader(file: "input", separator: separator) { () throws(DataError) in
            try LineReader(bytes: bytes, file: "input")
        }
    }
}
