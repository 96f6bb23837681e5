import ApusFormats

/// Puts rows together from the columns of a row group: what nests is told by two levels of each value, how much of its path
/// is there (definition) and which list goes on with it (repetition), as in Dremel (Melnik et al., 2010).
struct RowAssembler {
    /// A cursor for each leaf; nil for those that are not read.
    var cursors: [ColumnCursor?]
    private let limits: TableLimits
    private var left = 0

    init(leafCount: Int, _ limits: TableLimits) {
        cursors = Array(repeating: nil, count: leafCount)
        self.limits = limits
    }

    /// The next row of the fields.
    mutating func row(_ fields: [ParquetField]) throws(DataError) -> JSONValue {
        left = limits.valuesPerRow
        return .object(try members(fields, repetition: 0, definition: 0))
    }

    /// Checks that the columns end with the last row.
    mutating func checkEnd(_ fields: [ParquetField]) throws(DataError) {
        for field in fields {
            for leaf in field.leaves {
                if let tooMany = cursors[leaf]?.tooMany, try cursors[leaf]?.peek() != nil { throw tooMany }
            }
        }
    }

    private mutating func members(
        _ fields: [ParquetField], repetition: Int, definition: Int
    ) throws(DataError) -> [JSONValue.Member] {
        var members: [JSONValue.Member] = []
        members.reserveCapacity(fields.count)
        for field in fields {
            let value: JSONValue
            if case .value(let leaf) = field.kind {
                value = try next(leaf, repetition: repetition, definition: definition)
            } else {
                value = try self.value(field, repetition: repetition, definition: definition)
            }
            members.append(JSONValue.Member(key: field.name, value: value))
        }
        return members
    }

    @inline(__always)
    private mutating func next(_ leaf: Int, repetition: Int, definition: Int) throws(DataError) -> JSONValue {
        try cursors[leaf]?.next(repetition: repetition, definition: definition) ?? .null
    }

    /// One value of a field; levels as at ``ColumnCursor/next(repetition:definition:)``. As deep as the schema.
    private mutating func value(
        _ field: ParquetField, repetition: Int, definition: Int
    ) throws(DataError) -> JSONValue {
        switch field.kind {
        case .value(let leaf): return try next(leaf, repetition: repetition, definition: definition)
        case .object(let fields):
            let levels = try peek(field)
            guard levels.definition >= field.definition else {
                try skipAbsent(field, repetition: repetition, definition: levels.definition)
                return .null
            }
            return .object(try members(fields, repetition: repetition, definition: max(definition, field.definition)))
        case .list(let element, let start, let continuing):
            let levels = try peek(field)
            guard levels.definition >= start else {
                try skipAbsent(field, repetition: repetition, definition: levels.definition)
                return levels.definition < field.definition ? .null : .array([])
            }
            return .array(try elements(element, of: field, repetition: repetition, start, continuing))
        }
    }

    private mutating func elements(
        _ element: ParquetField, of field: ParquetField, repetition: Int, _ start: Int, _ continuing: Int
    ) throws(DataError) -> [JSONValue] {
        var elements: [JSONValue] = []
        var repetition = repetition
        let first = field.leaves.lowerBound
        while true {
            left -= 1
            guard left > 0 else { throw tooLong(first) }
            elements.append(try value(element, repetition: repetition, definition: start))
            repetition = continuing
            guard let next = try cursors[first]?.peek()?.repetition, next >= continuing else { return elements }
        }
    }

    private mutating func peek(_ field: ParquetField) throws(DataError) -> (repetition: Int, definition: Int) {
        let first = field.leaves.lowerBound
        if let levels = try cursors[first]?.peek() { return levels }
        throw cursors[first]?.tooFew ?? DataError(.damaged, file: "", message: "no column")
    }

    private mutating func skipAbsent(_ field: ParquetField, repetition: Int, definition: Int) throws(DataError) {
        for leaf in field.leaves { try cursors[leaf]?.skipAbsent(repetition: repetition, definition: definition) }
    }

    private func tooLong(_ leaf: Int) -> DataError {
        let failure = TableFailure.unsupported(
            "found a row of more than \(limits.valuesPerRow) values in lists", "split such rows")
        return cursors[leaf]?.located(failure) ?? failure.located(file: "", nil)
    }
}
