import Foundation

/// The rows of a data file, in the format that the file's extension names.
enum RowFile {
    /// Reads `.jsonl` (one object a line) or `.json` (an array of objects).
    ///
    /// - Parameter read: makes something of a row; what it throws ends the reading.
    /// - Throws: ``DataError`` naming the file and the line; an empty file is an error.
    static func map<Row>(
        _ path: String, _ read: (JSONValue, RowPlace) throws(DataError) -> Row
    ) throws(DataError) -> [Row] {
        switch URL(filePath: path).pathExtension.lowercased() {
        case "jsonl": return try lines(path, read)
        case "json": return try array(path, read)
        case let other:
            let found = other.isEmpty ? "no extension" : ".\(other)"
            throw DataError(
                .unsupportedFormat, file: path,
                message: "wanted a .jsonl file (one object a line) or a .json file (an array), found \(found)")
        }
    }

    /// Reads JSON Lines; blank lines are skipped.
    static func lines<Row>(
        _ path: String, _ read: (JSONValue, RowPlace) throws(DataError) -> Row
    ) throws(DataError) -> [Row] {
        var reader = try LineReader(path: path)
        var rows: [Row] = []
        var blankLines = 0
        while let line = try reader.next() {
            guard line.bytes.contains(where: { $0 != 0x20 && $0 != 0x09 && $0 != 0x0D }) else {
                blankLines += 1
                continue
            }
            let place = RowPlace(file: path, line: line.number)
            rows.append(try read(place.row(line.bytes), place))
        }
        guard !rows.isEmpty else {
            let reason = blankLines == 0 ? "the file is empty" : "all \(blankLines) lines are blank"
            throw DataError(.empty, file: path, message: "wanted at least one row, found 0: \(reason)")
        }
        return rows
    }

    /// Reads a JSON array of objects. Lines in errors are those on which a row starts.
    static func array<Row>(
        _ path: String, _ read: (JSONValue, RowPlace) throws(DataError) -> Row
    ) throws(DataError) -> [Row] {
        var reader = try JSONArrayReader(path: path)
        var rows: [Row] = []
        while let (row, place) = try reader.next() { rows.append(try read(row, place)) }
        guard !rows.isEmpty else {
            throw DataError(.empty, file: path, message: "wanted at least one row, found 0: the array is empty")
        }
        return rows
    }
}
