extension Dataset {
    /// Reads a dataset in the format that the file's extension names: `.jsonl` (one object a line) or `.json` (an array
    /// of objects).
    ///
    /// - Throws: ``DataError`` naming the file and the line; an empty dataset is an error.
    public init(path: String, mapping: ColumnMapping = ColumnMapping()) throws(DataError) {
        self.init(samples: try RowFile.map(path, mapping.sample))
    }

    /// Reads JSON Lines: one object a line, blank lines are skipped.
    ///
    /// - Throws: ``DataError`` naming the file and the line; an empty dataset is an error.
    public init(jsonl path: String, mapping: ColumnMapping = ColumnMapping()) throws(DataError) {
        self.init(samples: try RowFile.lines(path, mapping.sample))
    }

    /// Reads a JSON array of objects. Lines in errors are those on which a row starts.
    ///
    /// - Throws: ``DataError`` naming the file and the line; an empty dataset is an error.
    public init(jsonArray path: String, mapping: ColumnMapping = ColumnMapping()) throws(DataError) {
        self.init(samples: try RowFile.array(path, mapping.sample))
    }
}
