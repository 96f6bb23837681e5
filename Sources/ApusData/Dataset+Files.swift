import ApusTables

extension Dataset {
    /// Reads a dataset. Where the mapping names no column for the answer, all rows have one or none: a row that lacks what the
    /// others have is a fault of the data, which no reward should be the first to find.
    ///
    /// - Throws: ``DataError`` naming the file and the place; an empty dataset is an error.
    public init(_ source: RowSource, mapping: ColumnMapping = ColumnMapping()) throws(DataError) {
        var lacking: RowPlace?
        var hasAnswers = false
        let mapped = try MappedRows(source, filter: mapping.rowFilter, notice: mapping.notice) {
            row, place throws(DataError) in
            let sample = try mapping.sample(from: row, at: place)
            if sample.columns[ColumnMapping.answer] == nil { lacking = lacking ?? place } else { hasAnswers = true }
            if let lacking, hasAnswers, !mapping.allowsPartialAnswers {
                throw lacking.error(
                    .missingColumn,
                    "wanted column '\(ColumnMapping.answer)' for the answer, which other rows have; add it, or remove the row"
                )
            }
            return sample
        }
        self.init(samples: mapped.results)
        notices = mapped.notices
    }

    /// A dataset of what a closure makes of rows; nil leaves a row out.
    ///
    /// ```swift
    /// let dataset = try Dataset(RowSource(path: "train.parquet")) { row in
    ///     guard let question = row["question"]?.string else { return nil }
    ///     return Sample(prompt: .messages([Message(role: "user", content: question)]), columns: row.object ?? [:])
    /// }
    /// ```
    ///
    /// - Throws: ``DataError`` naming the file and the place, what the closure throws as such an error of its row included;
    ///   an empty dataset is an error.
    public init(_ source: RowSource, _ makeSample: (JSONValue) throws -> Sample?) throws(DataError) {
        var samples: [Sample] = []
        try source.forEach { row, place throws(DataError) in
            do {
                if let sample = try makeSample(row) { samples.append(sample) }
            } catch {
                throw place.error(.wrongType, "\(error)".onOneLine)
            }
            return true
        }
        guard !samples.isEmpty else {
            throw DataError(.empty, file: source.name, message: "wanted at least one row, and the closure left none")
        }
        self.init(samples: samples)
    }

    /// Reads a file in the format that its extension names, such as `.jsonl`, `.csv` or `.parquet`.
    ///
    /// - Throws: ``DataError`` naming the file and the place; an empty dataset is an error.
    public init(path: String, mapping: ColumnMapping = ColumnMapping()) throws(DataError) {
        try self.init(RowSource(path: path), mapping: mapping)
    }

    /// A dataset of rows that are at hand, such as ``rows(path:)`` after Swift's own `map` and `filter`.
    ///
    /// - Parameters:
    ///   - rows: objects.
    ///   - name: what messages call them; they count them from 1.
    /// - Throws: ``DataError`` naming the row; no rows at all are an error.
    public init(rows: [JSONValue], name: String = "rows", mapping: ColumnMapping = ColumnMapping()) throws(DataError) {
        try self.init(RowSource(rows: rows, name: name), mapping: mapping)
    }

    /// The rows of a source, each an object with its keys in their order.
    ///
    /// - Throws: ``DataError`` naming the file and the place; no rows at all are an error.
    public static func rows(of source: RowSource) throws(DataError) -> [JSONValue] {
        try source.map { row, _ throws(DataError) in row }
    }

    /// The rows of a file, each an object with its keys in their order.
    ///
    /// - Throws: ``DataError`` naming the file and the place; an empty file is an error.
    public static func rows(path: String) throws(DataError) -> [JSONValue] { try rows(of: RowSource(path: path)) }
}
