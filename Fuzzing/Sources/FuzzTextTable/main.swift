import FuzzDriver

@testable import ApusTables

/// Rows of a text, whose first byte says of which kind: both have one reader of lines below them.
fuzz { start, count in
    let input = UnsafeRawBufferPointer(start: start, count: count)
    guard let kind = input.first else { return -1 }
    let bytes = [UInt8](input.dropFirst())
    exerciseRows { () throws(DataError) in try textReader(kind, bytes) }
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
