/// A node of the schema as the file lists them, each before its children (parquet-format, `SchemaElement`).
struct SchemaElement {
    /// How often a field stands in its parent.
    enum Repetition: Int {
        case required, optional, repeated
    }

    /// What a group means.
    enum GroupKind {
        case plain, list, map
    }

    var name = ""
    var physicalType: PhysicalType?
    /// Bytes of a value of fixed length.
    var length = 0
    var repetition = Repetition.required
    var childCount = 0
    var group = GroupKind.plain
    /// What the logical or the older converted type says; nil for what only the physical type says.
    var logicalType: ColumnType?
    /// Whether the element has any logical type, known or not.
    var isAnnotated = false

    /// Of the older decimal type, which has its digits here.
    private var scale = 0
    private var precision = 0

    init(_ reader: inout ThriftReader) throws(TableFailure) {
        var convertedType: Int?
        var fields = try reader.structure()
        var hasName = false
        while let field = try reader.next(&fields) {
            switch field.id {
            case 1: physicalType = try PhysicalType(code: reader.integer(field))
            case 2: length = try reader.count(field)
            case 3:
                let code: Int = try reader.integer(field)
                guard let known = Repetition(rawValue: code) else {
                    throw .damaged(wanted: "a repetition of 0 to 2 in the schema", found: "\(code)")
                }
                repetition = known
            case 4:
                name = try reader.string(field)
                hasName = true
            case 5: childCount = try reader.count(field)
            case 6: convertedType = try reader.integer(field)
            case 7: scale = try reader.integer(field)
            case 8: precision = try reader.integer(field)
            case 10: try readLogicalType(&reader)
            default: try reader.skip(field)
            }
        }
        guard hasName else { throw .damaged(wanted: "a name of every field of the schema", found: "none") }
        if let convertedType, !isAnnotated { annotate(convertedType: convertedType) }
        try checkDecimal()
    }

    private func checkDecimal() throws(TableFailure) {
        guard case .decimal(let precision, let scale)? = logicalType else { return }
        guard (0...76).contains(scale), (0...76).contains(precision) else {
            throw .damaged(
                wanted: "a decimal of 76 digits at most in column '\(name.inMessage)'",
                found: "decimal(\(precision), \(scale))")
        }
    }

    /// `LogicalType` is a union: one field, whose number says which type it is.
    private mutating func readLogicalType(_ reader: inout ThriftReader) throws(TableFailure) {
        var fields = try reader.structure()
        while let field = try reader.next(&fields) {
            guard field.kind == .structure else {
                throw .damaged(wanted: "a logical type in the schema", found: "type \(field.kind.rawValue)")
            }
            isAnnotated = true
            switch field.id {
            case 2: group = .map
            case 3: group = .list
            case 5: try readDecimal(&reader)
            case 7, 8: try readTime(&reader, isTimestamp: field.id == 8)
            case 10: try readInteger(&reader)
            default: logicalType = Self.simpleTypes[field.id] ?? .unsupported("logical type \(field.id)")
            }
            if ![5, 7, 8, 10].contains(field.id) { try reader.skip(field) }
        }
    }

    private static let simpleTypes: [Int: ColumnType] = [
        1: .text, 4: .text, 6: .days, 11: .null, 12: .text, 13: .binary, 14: .uuid, 15: .half,
        16: .unsupported("variant"), 17: .unsupported("geometry"), 18: .unsupported("geography"),
    ]

    private mutating func readDecimal(_ reader: inout ThriftReader) throws(TableFailure) {
        var (scale, precision) = (0, 0)
        var fields = try reader.structure()
        while let field = try reader.next(&fields) {
            switch field.id {
            case 1: scale = try reader.integer(field)
            case 2: precision = try reader.integer(field)
            default: try reader.skip(field)
            }
        }
        logicalType = .decimal(precision: precision, scale: scale)
    }

    private mutating func readTime(_ reader: inout ThriftReader, isTimestamp: Bool) throws(TableFailure) {
        var isInstant = false
        var unit: TimeUnit?
        var fields = try reader.structure()
        while let field = try reader.next(&fields) {
            switch field.id {
            case 1: isInstant = try reader.bool(field)
            case 2 where field.kind == .structure:
                var units = try reader.structure()
                while let field = try reader.next(&units) {
                    unit = TimeUnit(rawValue: field.id)
                    try reader.skip(field)
                }
            default: try reader.skip(field)
            }
        }
        guard let unit, unit != .seconds else {
            throw .damaged(wanted: "a unit of the times in column '\(name.inMessage)'", found: "none that is known")
        }
        logicalType = isTimestamp ? .timestamp(unit, isInstant: isInstant) : .time(unit)
    }

    private mutating func readInteger(_ reader: inout ThriftReader) throws(TableFailure) {
        var (bits, isSigned) = (0, true)
        var fields = try reader.structure()
        while let field = try reader.next(&fields) {
            switch field.id {
            case 1: bits = try reader.integer(field)
            case 2: isSigned = try reader.bool(field)
            default: try reader.skip(field)
            }
        }
        guard [8, 16, 32, 64].contains(bits) else {
            throw .damaged(
                wanted: "integers of 8 to 64 bits in column '\(name.inMessage)'", found: "\(bits) bits")
        }
        logicalType = isSigned ? .signed(bits: bits) : .unsigned(bits: bits)
    }

    /// The types of files before format 2.4, `ConvertedType`.
    private mutating func annotate(convertedType: Int) {
        isAnnotated = true
        switch convertedType {
        case 0, 4, 19: logicalType = .text
        case 1, 2: group = .map
        case 3: group = .list
        case 5: logicalType = .decimal(precision: precision, scale: scale)
        case 6: logicalType = .days
        case 7: logicalType = .time(.milliseconds)
        case 8: logicalType = .time(.microseconds)
        // These are instants by definition: a local time has the newer type.
        case 9: logicalType = .timestamp(.milliseconds, isInstant: true)
        case 10: logicalType = .timestamp(.microseconds, isInstant: true)
        case 11...14: logicalType = .unsigned(bits: 8 << (convertedType - 11))
        case 15...18: logicalType = .signed(bits: 8 << (convertedType - 15))
        case 20: logicalType = .binary
        case 21: logicalType = .unsupported("interval")
        default: logicalType = .unsupported("converted type \(convertedType)")
        }
    }
}

/// How values are stored.
enum PhysicalType: Int {
    case boolean, int32, int64, int96, float, double, bytes, fixedBytes

    init(code: Int) throws(TableFailure) {
        guard let known = PhysicalType(rawValue: code) else {
            throw .damaged(wanted: "a physical type of 0 to 7 in the schema", found: "\(code)")
        }
        self = known
    }

    /// What the values are where nothing else is said.
    var columnType: ColumnType {
        switch self {
        case .boolean: .bool
        case .int32: .signed(bits: 32)
        case .int64: .signed(bits: 64)
        case .int96: .julianTimestamp
        case .float: .float
        case .double: .double
        case .bytes, .fixedBytes: .binary
        }
    }

    /// Whether a logical type may stand on this one.
    func canHold(_ type: ColumnType, length: Int) -> Bool {
        switch type {
        case .null, .unsupported: true
        case .text, .binary: self == .bytes || self == .fixedBytes
        case .uuid: self == .fixedBytes && length == 16
        case .half: self == .fixedBytes && length == 2
        case .decimal: self == .int32 || self == .int64 || self == .bytes || self == .fixedBytes
        case .days, .time(.milliseconds): self == .int32
        case .signed(let bits), .unsigned(let bits): bits == 64 ? self == .int64 : self == .int32
        case .time, .timestamp: self == .int64
        case .bool, .float, .double, .dayMilliseconds, .julianTimestamp, .duration: false
        }
    }

    var name: String {
        switch self {
        case .boolean: "BOOLEAN"
        case .int32: "INT32"
        case .int64: "INT64"
        case .int96: "INT96"
        case .float: "FLOAT"
        case .double: "DOUBLE"
        case .bytes: "BYTE_ARRAY"
        case .fixedBytes: "FIXED_LEN_BYTE_ARRAY"
        }
    }
}
