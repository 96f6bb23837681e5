import Foundation

/// Rows that are read one after another: of a data file, in the format that its extension names, or at hand.
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

    /// Reads rows that are at hand, which messages count from 1.
    ///
    /// - Parameter name: what messages call them.
    /// - Throws: ``DataError`` naming the row; no rows at all are an error.
    static func map<Row>(
        rows: [JSONValue], name: String, _ read: (JSONValue, RowPlace) throws(DataError) -> Row
    ) throws(DataError) -> [Row] {
        guard !rows.isEmpty else { throw DataError(.empty, file: name, message: "wanted at least one row, found 0") }
        var results: [Row] = []
        for (index, row) in rows.enumerated() {
            let place = RowPlace(file: name, line: index + 1)
            results.append(try read(place.checked(row), place))
        }
        return results
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
