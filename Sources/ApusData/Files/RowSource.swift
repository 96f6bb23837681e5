import ApusTables

/// Where the rows of a data set come from: files in their order, and which of their rows.
public struct RowSource: Sendable, Equatable {
    /// Rows that follow each other, and which of them are meant.
    public struct Part: Sendable, Equatable {
        /// Where the rows are.
        public enum Content: Sendable, Equatable {
            /// Paths of files that are read one after another as if they were one.
            case files([String])
            /// Rows that are at hand, which messages count from 1.
            case rows([JSONValue])
        }

        /// Where the rows are.
        public var content: Content
        /// Which of them, all files taken together.
        public var slice: RowSlice
        /// The columns that are kept; nil for all.
        public var columns: [String]?

        /// Rows, and what of them.
        public init(_ content: Content, slice: RowSlice = .all, columns: [String]? = nil) {
            self.content = content
            self.slice = slice
            self.columns = columns
        }
    }

    /// What messages call it.
    public var name: String
    /// The parts, which follow each other.
    public var parts: [Part]

    /// A source of several parts.
    public init(name: String, parts: [Part]) {
        self.name = name
        self.parts = parts
    }

    /// All rows of one file.
    public init(path: String) { self.init(name: path, parts: [Part(.files([path]))]) }

    /// Rows that are at hand.
    ///
    /// - Parameter name: what messages call them; they count them from 1.
    public init(rows: [JSONValue], name: String = "rows") { self.init(name: name, parts: [Part(.rows(rows))]) }

    /// Reads rows one after another.
    ///
    /// - Parameter read: makes something of a row; what it throws ends the reading.
    /// - Throws: ``DataError`` naming the file and the place; no rows at all are an error.
    func map<Result>(
        _ read: (JSONValue, RowPlace) throws(DataError) -> Result
    ) throws(DataError) -> [Result] {
        var results: [Result] = []
        try forEach { value, place throws(DataError) in
            results.append(try read(value, place))
            return true
        }
        return results
    }

    /// More rows than fit into any memory: a small table can say that it has thousands of millions of empty ones.
    private static let rowLimit = 200_000_000

    /// Reads rows one after another until `body` says that it has enough.
    ///
    /// - Throws: ``DataError`` naming the file and the place; no rows at all are an error.
    func forEach(_ body: (JSONValue, RowPlace) throws(DataError) -> Bool) throws(DataError) {
        var count = 0
        var reason: String?
        for part in parts {
            var rows = RowSequence(part.content, name: name)
            let range = part.slice.range(of: part.slice.needsCount ? try part.count() : .max)
            var index = 0
            while index < range.upperBound, let row = try rows.next() {
                defer { index += 1 }
                guard index >= range.lowerBound else { continue }
                count += 1
                guard count <= Self.rowLimit else {
                    throw row.place.error(
                        .unsupportedFormat, "wanted at most \(Self.rowLimit) rows, found more; take a split")
                }
                guard try body(try part.selecting(row), row.place) else { return }
            }
            reason = index > 0 ? "the split names none of the \(index) rows that were read" : rows.reasonForNoRows
        }
        guard count > 0 else {
            let reason = reason.map { ": \($0)" } ?? ""
            throw DataError(.empty, file: name, message: "wanted at least one row, found 0\(reason)")
        }
    }

    /// How many rows there are. Where the files do not say it, they are read through.
    ///
    /// - Throws: ``DataError`` naming the file and the place.
    public func count() throws(DataError) -> Int {
        var total = 0
        for part in parts { total += part.slice.range(of: try part.count()).count }
        return total
    }
}

extension RowSource.Part {
    /// The number of rows of all files, whichever of them are meant.
    func count() throws(DataError) -> Int {
        guard case .files(let paths) = content else {
            if case .rows(let rows) = content { return rows.count }
            return 0
        }
        var total = 0
        for path in paths {
            var reader = try RowFile.reader(path)
            if let known = reader.rowCount {
                total += known
            } else {
                while try reader.next() != nil { total += 1 }
            }
        }
        return total
    }

    fileprivate func selecting(_ row: Row) throws(DataError) -> JSONValue {
        guard let columns else { return row.value }
        var members: [JSONValue.Member] = []
        for name in columns {
            guard let value = row.value[name] else {
                let found = (row.value.members ?? []).map(\.key).joined(separator: ", ").onOneLine
                throw row.place.error(.missingColumn, "wanted column '\(name.onOneLine)', found \(found); see columns")
            }
            members.append(JSONValue.Member(key: name, value: value))
        }
        return .object(members)
    }
}

/// The rows of several files, of which one is open at a time, or rows at hand.
private struct RowSequence {
    private let name: String
    private var paths: ArraySlice<String> = []
    private var reader: (any RowReader)?
    private var rows: ArraySlice<JSONValue> = []
    /// Why the last file gave no row; nil where there was none.
    private(set) var reasonForNoRows: String?

    init(_ content: RowSource.Part.Content, name: String) {
        self.name = name
        switch content {
        case .files(let paths): self.paths = paths[...]
        case .rows(let rows): self.rows = rows[...]
        }
    }

    mutating func next() throws(DataError) -> Row? {
        if !rows.isEmpty {
            let number = rows.startIndex + 1
            return try Row(rows.removeFirst(), at: RowPlace(file: name, .line(number)))
        }
        while true {
            if let row = try reader?.next() { return row }
            if let reader { reasonForNoRows = reader.reasonForNoRows }
            guard let path = paths.popFirst() else { return nil }
            reader = try RowFile.reader(path)
        }
    }
}
