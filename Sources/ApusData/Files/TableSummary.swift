import ApusTables

/// The columns of a data set and what they hold, found by reading all of its rows.
public struct TableSummary: Sendable, Equatable {
    /// A column.
    public struct Column: Sendable, Equatable {
        /// Its name.
        public let name: String
        /// What it holds.
        public fileprivate(set) var shape = ValueShape.null
        /// How many rows have something in it.
        public fileprivate(set) var filled = 0
        /// Characters of the shortest and the longest text; nil for a column without text.
        public fileprivate(set) var lengths: ClosedRange<Int>?
    }

    /// In the order in which they were seen.
    public private(set) var columns: [Column] = []
    /// How many rows there are.
    public private(set) var rowCount = 0

    /// Reads all rows.
    ///
    /// - Throws: ``DataError`` naming the file and the place; no rows at all are an error.
    public init(_ source: RowSource) throws(DataError) {
        var places: [String: Int] = [:]
        try source.forEach { row, _ throws(DataError) in
            rowCount += 1
            for member in row.members ?? [] {
                let place = places[member.key] ?? columns.count
                if place == columns.count {
                    places[member.key] = place
                    columns.append(Column(name: member.key))
                }
                columns[place].add(member.value)
            }
            return true
        }
    }
}

extension TableSummary.Column {
    fileprivate mutating func add(_ value: JSONValue) {
        guard value != .null else { return }
        filled += 1
        shape = shape.joined(with: ValueShape(value))
        guard let length = value.string?.unicodeScalars.count else { return }
        lengths = min(lengths?.lowerBound ?? length, length)...max(lengths?.upperBound ?? length, length)
    }
}
