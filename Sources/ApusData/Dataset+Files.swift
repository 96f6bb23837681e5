import ApusTables
extension Dataset {
    /// Reads a dataset in the format that the file's extension names: `.jsonl` (one object a line) or `.json` (an array
    /// of objects).
    ///
    /// - Throws: ``DataError`` naming the file and the line; an empty dataset is an error.
    public init(path: String, mapping: ColumnMapping = ColumnMapping()) throws(DataError) {
        self.init(samples: try Self.samples(mapping) { read throws(DataError) in try RowFile.map(path, read) })
    }

    /// A dataset of rows that are at hand, such as ``rows(path:)`` after Swift's own `map` and `filter`.
    ///
    /// - Parameters:
    ///   - rows: objects.
    ///   - name: what messages call them; they count them from 1.
    /// - Throws: ``DataError`` naming the row; no rows at all are an error.
    public init(rows: [JSONValue], name: String = "rows", mapping: ColumnMapping = ColumnMapping()) throws(DataError) {
        self.init(
            samples: try Self.samples(mapping) { read throws(DataError) in
                try RowFile.map(rows: rows, name: name, read)
            })
    }

    /// The rows of a `.jsonl` or `.json` file, each an object with its keys in their order.
    ///
    /// - Throws: ``DataError`` naming the file and the line; an empty file is an error.
    public static func rows(path: String) throws(DataError) -> [JSONValue] {
        try RowFile.map(path) { row, _ throws(DataError) in row }
    }

    private typealias ReadRow = (JSONValue, RowPlace) throws(DataError) -> Sample

    /// All rows. Where the mapping names no column for the answer, all of them have one or none: a row that lacks what the
    /// others have is a fault of the data, which no reward should be the first to find.
    private static func samples(
        _ mapping: ColumnMapping, _ rows: (ReadRow) throws(DataError) -> [Sample]
    ) throws(DataError) -> [Sample] {
        var lacking: RowPlace?
        var hasAnswers = false
        return try rows { row, place throws(DataError) in
            let sample = try mapping.sample(from: row.object ?? [:], at: place)
            if sample.columns[ColumnMapping.answer] == nil { lacking = lacking ?? place } else { hasAnswers = true }
            if let lacking, hasAnswers, !mapping.allowsPartialAnswers {
                throw lacking.error(
                    .missingColumn,
                    "wanted column '\(ColumnMapping.answer)' for the answer, which other rows have; add it, or remove the row"
                )
            }
            return sample
        }
    }
}
