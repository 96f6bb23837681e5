/// A column of an Arrow table, or a part of one (arrow/format/Schema.fbs).
struct ArrowField {
    /// How values lie in buffers.
    enum Layout {
        case null
        case bits
        /// Numbers of some bytes each.
        case words(width: Int)
        /// Bytes of one length, the lowest first in decimals.
        case fixedBytes(width: Int)
        /// Bytes between offsets of 4 or 8 bytes.
        case bytes(offsetWidth: Int)
        case views
        case list(offsetWidth: Int)
        case fixedList(count: Int)
        case object
    }

    /// The places of values in a dictionary.
    struct Dictionary {
        let id: Int64
        let width: Int
        let isSigned: Bool
    }

    private(set) var name: String
    let layout: Layout
    /// What values are, where they are no lists or objects.
    let type: ColumnType
    private(set) var dictionary: Dictionary?
    private(set) var children: [ArrowField] = []

    /// What people call the type: "list of {role: text, content: text}".
    var typeName: String {
        switch layout {
        case .list, .fixedList: "list of " + (children.first?.typeName ?? "null")
        case .object: "{" + children.map { "\($0.name.inMessage): \($0.typeName)" }.joined(separator: ", ") + "}"
        default: type.name
        }
    }

    /// The field of the values that a dictionary holds.
    var values: ArrowField {
        var field = self
        field.dictionary = nil
        return field
    }

    /// Reads a field with all below it.
    ///
    /// - Parameter budget: bytes of the header that fields may still take, since in it a field can be pointed to often.
    init(_ table: FlatTable, depth: Int, budget: inout Int) throws(TableFailure) {
        guard depth < TableLimits.depth else {
            throw .unsupported("found columns that nest deeper than \(TableLimits.depth)", "write flatter ones")
        }
        name = try table.string(0) ?? ""
        budget -= 16 + name.utf8.count
        guard budget >= 0 else { throw .damaged(wanted: "a schema of separate fields", found: "one that repeats them") }
        let code = try table.integer(2, default: UInt8(0))
        guard let description = try table.table(3) else {
            throw .damaged(wanted: "a type of the column '\(name.inMessage)'", found: "none")
        }
        (layout, type) = try Self.layout(code, description)
        if let encoding = try table.table(4) { dictionary = try Self.dictionary(encoding) }
        if let (start, count) = try table.vector(5, elementSize: 4) {
            for index in 0..<count {
                children.append(
                    try ArrowField(table.table(at: start + 4 * index), depth: depth + 1, budget: &budget))
            }
        }
        try checkChildren(isMap: code == 17)
    }

    private mutating func checkChildren(isMap: Bool) throws(TableFailure) {
        switch layout {
        case .list, .fixedList:
            guard children.count == 1 else {
                throw .damaged(wanted: "one type of the elements of '\(name.inMessage)'", found: "\(children.count)")
            }
        case .object: break
        default:
            guard children.isEmpty else {
                throw .damaged(wanted: "values in '\(name.inMessage)'", found: "fields inside them")
            }
        }
        guard isMap else { return }
        guard children[0].children.count == 2 else {
            throw .damaged(wanted: "keys and values in the map '\(name.inMessage)'", found: "other fields")
        }
        // Keys and values have these names whatever the file calls them.
        children[0].children[0].name = "key"
        children[0].children[1].name = "value"
    }

    private static func dictionary(_ encoding: FlatTable) throws(TableFailure) -> Dictionary {
        let index = try encoding.table(1)
        let bits = try index?.integer(0, default: Int32(0)) ?? 32
        guard [8, 16, 32, 64].contains(bits) else {
            throw .damaged(wanted: "places in a dictionary of 8 to 64 bits", found: "\(bits) bits")
        }
        return Dictionary(
            id: try encoding.integer(0, default: 0), width: Int(bits) / 8, isSigned: try index?.bool(1) ?? true)
    }

    private static func layout(_ code: UInt8, _ table: FlatTable) throws(TableFailure) -> (Layout, ColumnType) {
        switch code {
        case 1: return (.null, .null)
        case 2:
            let bits = Int(try table.integer(0, default: Int32(0)))
            guard [8, 16, 32, 64].contains(bits) else {
                throw .damaged(wanted: "integers of 8 to 64 bits", found: "\(bits) bits")
            }
            return (.words(width: bits / 8), try table.bool(1) ? .signed(bits: bits) : .unsigned(bits: bits))
        case 3:
            switch try table.integer(0, default: Int16(0)) {
            case 0: return (.words(width: 2), .half)
            case 1: return (.words(width: 4), .float)
            default: return (.words(width: 8), .double)
            }
        case 4: return (.bytes(offsetWidth: 4), .binary)
        case 5: return (.bytes(offsetWidth: 4), .text)
        case 6: return (.bits, .bool)
        case 7: return try decimal(table)
        case 8:
            let isDays = try table.integer(0, default: Int16(1)) == 0
            return isDays ? (.words(width: 4), .days) : (.words(width: 8), .dayMilliseconds)
        case 9:
            let width = try table.integer(1, default: Int32(32)) == 32 ? 4 : 8
            return (.words(width: width), .time(try unit(table, default: 1)))
        case 10:
            let unit = try unit(table, default: 0)
            return (.words(width: 8), .timestamp(unit, isInstant: try table.string(1)?.isEmpty == false))
        case 15, 16: return try fixed(code, table)
        case 18: return (.words(width: 8), .duration(try unit(table, default: 1)))
        case 12, 17: return (.list(offsetWidth: 4), .null)
        case 21: return (.list(offsetWidth: 8), .null)
        case 13: return (.object, .null)
        case 19: return (.bytes(offsetWidth: 8), .binary)
        case 20: return (.bytes(offsetWidth: 8), .text)
        case 23: return (.views, .binary)
        case 24: return (.views, .text)
        default:
            let names: [UInt8: String] = [
                11: "interval", 14: "union", 22: "run-end encoded", 25: "list view", 26: "large list view",
            ]
            throw .unsupported(
                "found a column of type \(names[code] ?? "number \(code)")", "leave the column out, or write text")
        }
    }

    private static func fixed(_ code: UInt8, _ table: FlatTable) throws(TableFailure) -> (Layout, ColumnType) {
        let count = Int(try table.integer(0, default: Int32(0)))
        guard count >= 0 else { throw .damaged(wanted: "a fixed size of values", found: "\(count)") }
        return code == 15 ? (.fixedBytes(width: count), .binary) : (.fixedList(count: count), .null)
    }

    private static func decimal(_ table: FlatTable) throws(TableFailure) -> (Layout, ColumnType) {
        let precision = Int(try table.integer(0, default: Int32(0)))
        let scale = Int(try table.integer(1, default: Int32(0)))
        let bits = Int(try table.integer(2, default: Int32(128)))
        guard (0...76).contains(precision), (-76...76).contains(scale), [32, 64, 128, 256].contains(bits) else {
            throw .damaged(
                wanted: "a decimal of 76 digits at most", found: "decimal(\(precision), \(scale)) in \(bits) bits")
        }
        return (.fixedBytes(width: bits / 8), .decimal(precision: precision, scale: scale))
    }

    private static func unit(_ table: FlatTable, default missing: Int16) throws(TableFailure) -> TimeUnit {
        let code = Int(try table.integer(0, default: missing))
        guard let unit = TimeUnit(rawValue: code) else {
            throw .damaged(wanted: "a unit of time of 0 to 3", found: "\(code)")
        }
        return unit
    }
}

/// The columns of an Arrow table.
struct ArrowSchema {
    let fields: [ArrowField]
    /// What the dictionaries hold, by their numbers.
    let dictionaries: [Int64: ArrowField]

    init(_ table: FlatTable) throws(TableFailure) {
        guard try table.integer(0, default: Int16(0)) == 0 else {
            throw .unsupported("found numbers with their highest byte first", "write the table on another machine")
        }
        var fields: [ArrowField] = []
        var budget = table.bytes.count
        if let (start, count) = try table.vector(1, elementSize: 4) {
            for index in 0..<(try TableLimits.checkedFields(count)) {
                fields.append(try ArrowField(table.table(at: start + 4 * index), depth: 0, budget: &budget))
            }
        }
        self.fields = fields
        var dictionaries: [Int64: ArrowField] = [:]
        for field in fields { Self.collect(field, into: &dictionaries) }
        self.dictionaries = dictionaries
    }

    private static func collect(_ field: ArrowField, into dictionaries: inout [Int64: ArrowField]) {
        if let dictionary = field.dictionary { dictionaries[dictionary.id] = field.values }
        for child in field.children { collect(child, into: &dictionaries) }
    }
}
