package import ApusFormats
import Foundation

/// Rows that are read one after another: of a data file, in the format that its extension names, or at hand.
package enum RowFile {
    /// The reader of a file: `.jsonl` (one object a line) or `.json` (an array of objects).
    ///
    /// - Throws: ``DataError`` for another extension, and for a file that cannot be read.
    package static func reader(_ path: String) throws(DataError) -> any RowReader {
        switch URL(filePath: path).pathExtension.lowercased() {
        case "jsonl": return try JSONLinesReader(path: path)
        case "json": return try JSONArrayReader(path: path)
        case "parquet": return try ParquetReader(path: path)
        case "arrow": return try ArrowReader(path: path)
        case let other:
            let found = other.isEmpty ? "no extension" : ".\(other)"
            throw DataError(
                .unsupportedFormat, file: path,
                message: "wanted a .jsonl file (one object a line) or a .json file (an array), found \(found)")
        }
    }

    /// Reads all rows of a file.
    ///
    /// - Parameter read: makes something of a row; what it throws ends the reading.
    /// - Throws: ``DataError`` naming the file and the place; an empty file is an error.
    package static func map<Result>(
        _ path: String, _ read: (JSONValue, RowPlace) throws(DataError) -> Result
    ) throws(DataError) -> [Result] {
        var reader = try reader(path)
        var results: [Result] = []
        while let row = try reader.next() { results.append(try read(row.value, row.place)) }
        guard !results.isEmpty else {
            throw DataError(
                .empty, file: path, message: "wanted at least one row, found 0: \(reader.reasonForNoRows)")
        }
        return results
    }

    /// Reads rows that are at hand, which messages count from 1.
    ///
    /// - Parameter name: what messages call them.
    /// - Throws: ``DataError`` naming the row; no rows at all are an error.
    package static func map<Result>(
        rows: [JSONValue], name: String, _ read: (JSONValue, RowPlace) throws(DataError) -> Result
    ) throws(DataError) -> [Result] {
        guard !rows.isEmpty else { throw DataError(.empty, file: name, message: "wanted at least one row, found 0") }
        var results: [Result] = []
        for (index, value) in rows.enumerated() {
            let row = try Row(value, at: RowPlace(file: name, .line(index + 1)))
            results.append(try read(row.value, row.place))
        }
        return results
    }
}
