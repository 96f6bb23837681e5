import Foundation

/// Files of rows, in the format that their extension names.
package enum RowFile {
    /// The extensions of files that are read.
    package static let extensions = ["parquet", "jsonl", "json", "csv", "tsv", "arrow", "ndjson"]

    /// The format of a file of rows, by its extension: the first of those that are the same format; nil for another file.
    package static func format(of path: String) -> String? {
        let ending = URL(filePath: path).pathExtension.lowercased()
        guard extensions.contains(ending) else { return nil }
        return ["json": "jsonl", "ndjson": "jsonl", "tsv": "csv"][ending] ?? ending
    }

    /// The reader of a file, chosen by its extension.
    ///
    /// - Throws: ``DataError`` for another extension, and for a file that cannot be read.
    package static func reader(_ path: String) throws(DataError) -> any RowReader {
        switch URL(filePath: path).pathExtension.lowercased() {
        case "jsonl", "ndjson": return JSONLinesReader(try LineReader(path: path), file: path)
        case "json": return try json(path)
        case "csv": return try csv(path, separator: UInt8(ascii: ","))
        case "tsv": return try csv(path, separator: UInt8(ascii: "\t"))
        case "parquet": return try ParquetReader(path: path)
        case "arrow": return try ArrowReader(path: path)
        case let other:
            let isPacked = ["gz", "zst", "bz2", "xz", "zip", "tar"].contains(other)
            let found = other.isEmpty ? "no extension" : ".\(other)\(isPacked ? "; unpack it first" : "")"
            throw DataError(
                .unsupportedFormat, file: path,
                message: "wanted a file that ends in .\(extensions.joined(separator: ", .")), found \(found)")
        }
    }

    /// An array of objects or, as other tools name such files too, one object a line.
    private static func json(_ path: String) throws(DataError) -> any RowReader {
        var text = try LineReader(path: path)
        let first = try text.peek()
        let isArray = first != nil && first != UInt8(ascii: "{")
        return isArray ? try JSONArrayReader(text, file: path) : JSONLinesReader(text, file: path)
    }

    private static func csv(_ path: String, separator: UInt8) throws(DataError) -> any RowReader {
        try CSVReader(file: path, separator: separator) { () throws(DataError) in try LineReader(path: path) }
    }
}
