import Foundation

extension Dataset {
    /// Reads a dataset in the format that the file's extension names: `.jsonl` (one object a line) or `.json` (an array
    /// of objects).
    ///
    /// - Throws: ``DataError`` naming the file and the line; an empty dataset is an error.
    public init(path: String, mapping: ColumnMapping = ColumnMapping()) throws(DataError) {
        switch URL(filePath: path).pathExtension.lowercased() {
        case "jsonl": try self.init(jsonl: path, mapping: mapping)
        case "json": try self.init(jsonArray: path, mapping: mapping)
        case let other:
            let found = other.isEmpty ? "no extension" : ".\(other)"
            throw DataError(
                .unsupportedFormat, file: path,
                message: "wanted a .jsonl file (one object a line) or a .json file (an array), found \(found)")
        }
    }

    /// Reads JSON Lines: one object a line, blank lines are skipped.
    ///
    /// - Throws: ``DataError`` naming the file and the line; an empty dataset is an error.
    public init(jsonl path: String, mapping: ColumnMapping = ColumnMapping()) throws(DataError) {
        var reader = try LineReader(path: path)
        var samples: [Sample] = []
        var blankLines = 0
        while let line = try reader.next() {
            guard line.bytes.contains(where: { $0 != 0x20 && $0 != 0x09 && $0 != 0x0D }) else {
                blankLines += 1
                continue
            }
            let place = RowPlace(file: path, line: line.number)
            samples.append(try mapping.sample(from: place.row(line.bytes), at: place))
        }
        guard !samples.isEmpty else {
            let reason = blankLines == 0 ? "the file is empty" : "all \(blankLines) lines are blank"
            throw DataError(.empty, file: path, message: "wanted at least one row, found 0: \(reason)")
        }
        self.init(samples: samples)
    }

    /// Reads a JSON array of objects. Lines in errors are those on which a row starts.
    ///
    /// - Throws: ``DataError`` naming the file and the line; an empty dataset is an error.
    public init(jsonArray path: String, mapping: ColumnMapping = ColumnMapping()) throws(DataError) {
        var rows = try JSONArrayReader(path: path)
        var samples: [Sample] = []
        while let (row, place) = try rows.next() { samples.append(try mapping.sample(from: row, at: place)) }
        guard !samples.isEmpty else {
            throw DataError(.empty, file: path, message: "wanted at least one row, found 0: the array is empty")
        }
        self.init(samples: samples)
    }
}
