import ApusTables

/// What became of rows, and what to tell about that.
struct MappedRows<Result> {
    /// One of each row that stays.
    private(set) var results: [Result] = []
    /// How rows were read where nobody said it, and how many were left out.
    private(set) var notices: [String] = []

    /// - Parameters:
    ///   - filter: which rows stay; nil for all.
    ///   - notice: what to tell about how the first row is read.
    ///   - make: what becomes of a row; what it throws ends the reading.
    /// - Throws: ``DataError`` naming the row; that no row is left is an error too.
    init(
        _ source: RowSource, filter: RowTemplate?, notice: ([String: JSONValue]) -> String?,
        make: ([String: JSONValue], RowPlace) throws(DataError) -> Result
    ) throws(DataError) {
        var count = 0
        try source.forEach { row, place throws(DataError) in
            let columns = row.object ?? [:]
            if count == 0 { notices += [notice(columns)].compactMap(\.self) }
            count += 1
            if let filter, try !filter.holds(for: columns, at: place) { return true }
            results.append(try make(columns, place))
            return true
        }
        guard results.count < count else { return }
        guard !results.isEmpty else {
            throw DataError(
                .empty, file: source.name,
                message:
                    "0 rows are left of \(count): row_filter '\(filter?.source.onOneLine ?? "")' holds for none of them"
            )
        }
        notices.append("row_filter keeps \(results.count) of \(count) rows of \(source.name)")
    }
}
