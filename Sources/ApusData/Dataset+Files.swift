extension Dataset {
    /// Reads a dataset in the format that the file's extension names: `.jsonl` (one object a line) or `.json` (an array
    /// of objects).
    ///
    /// - Throws: ``DataError`` naming the file and the line; an empty dataset is an error.
    public init(path: String, mapping: ColumnMapping = ColumnMapping()) throws(DataError) {
        self.init(samples: try Self.samples(mapping) { read throws(DataError) in try RowFile.map(path, read) })
    }

    /// Reads JSON Lines: one object a line, blank lines are skipped.
    ///
    /// - Throws: ``DataError`` naming the file and the line; an empty dataset is an error.
    public init(jsonl path: String, mapping: ColumnMapping = ColumnMapping()) throws(DataError) {
        self.init(samples: try Self.samples(mapping) { read throws(DataError) in try RowFile.lines(path, read) })
    }

    /// Reads a JSON array of objects. Lines in errors are those on which a row starts.
    ///
    /// - Throws: ``DataError`` naming the file and the line; an empty dataset is an error.
    public init(jsonArray path: String, mapping: ColumnMapping = ColumnMapping()) throws(DataError) {
        self.init(samples: try Self.samples(mapping) { read throws(DataError) in try RowFile.array(path, read) })
    }

    private typealias ReadRow = ([String: JSONValue], RowPlace) throws(DataError) -> Sample

    /// All rows. Where the mapping names no column for the answer, all of them have one or none: a row that lacks what the
    /// others have is a fault of the data, which no reward should be the first to find.
    private static func samples(
        _ mapping: ColumnMapping, _ rows: (ReadRow) throws(DataError) -> [Sample]
    ) throws(DataError) -> [Sample] {
        var lacking: RowPlace?
        var hasAnswers = false
        return try rows { row, place throws(DataError) in
            let sample = try mapping.sample(from: row, at: place)
            if sample.columns[ColumnMapping.answer] == nil { lacking = lacking ?? place } else { hasAnswers = true }
            if let lacking, hasAnswers, !mapping.allowsPartialAnswers {
                throw lacking.error(
                    .missingColumn,
                    "wanted column '\(ColumnMapping.answer)' for the answer, which other rows have; add it, or remove the row")
            }
            return sample
        }
    }
}
