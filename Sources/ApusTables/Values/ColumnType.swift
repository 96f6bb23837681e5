import ApusFormats

/// What the values of a column are, and what becomes of them:
///
/// | column                                   | ``JSONValue``                                                     |
/// |------------------------------------------|-------------------------------------------------------------------|
/// | boolean                                  | `bool`                                                            |
/// | integer of 8 to 64 bits, signed or not   | `integer`; `bigInteger` where an unsigned one is beyond `Int`     |
/// | float of 16, 32 or 64 bits               | `number`, the exact value; `null` for NaN and the infinities      |
/// | text, enum, JSON                         | `string`; text that is not UTF-8 is refused                       |
/// | binary, of fixed length or not           | `string` where it is UTF-8; else refused, naming the column       |
/// | UUID                                     | `string`, "12345678-9abc-def0-1234-56789abcdef0"                  |
/// | decimal                                  | `string` with all its digits, "-1.50", never with an exponent     |
/// | date                                     | `string`, "2024-02-29"                                            |
/// | time                                     | `string`, "12:34:56", "12:34:56.789000"                           |
/// | timestamp without a time zone            | `string`, "2024-02-29T12:34:56"; of INT96 too                     |
/// | timestamp with one                       | `string` in UTC, "2024-02-29T12:34:56+00:00"                      |
/// | duration (Arrow)                         | `integer` of seconds, or a `number` where they have a fraction    |
/// | struct                                   | `object` in the order of the file                                 |
/// | list                                     | `array`                                                           |
/// | map                                      | `array` of objects `{"key": …, "value": …}`                       |
/// | null                                     | `null`                                                            |
///
/// Dates and times read as Python's `isoformat` writes them: fractions have 6 digits, or 9 where nanoseconds are no whole
/// microseconds. JSON has no NaN, and a missing number is what NaN means in tables.
enum ColumnType {
    case null
    case bool
    case signed(bits: Int)
    case unsigned(bits: Int)
    case half
    case float
    case double
    case text
    case binary
    case uuid
    case decimal(precision: Int, scale: Int)
    case days
    case dayMilliseconds
    case time(TimeUnit)
    case timestamp(TimeUnit, isInstant: Bool)
    case julianTimestamp
    case duration(TimeUnit)
    /// A type that is refused when its values are asked for.
    case unsupported(String)

    /// What people call the type.
    var name: String {
        switch self {
        case .null: "null"
        case .bool: "bool"
        case .signed(let bits): "int\(bits)"
        case .unsigned(let bits): "uint\(bits)"
        case .half: "float16"
        case .float: "float32"
        case .double: "float64"
        case .text: "text"
        case .binary: "binary"
        case .uuid: "uuid"
        case .decimal(let precision, let scale): "decimal(\(precision), \(scale))"
        case .days, .dayMilliseconds: "date"
        case .time: "time"
        case .timestamp, .julianTimestamp: "timestamp"
        case .duration: "duration"
        case .unsupported(let name): name.inMessage
        }
    }

    /// The value of a number: sign-extended to 64 bits where it is signed, the bits of a float as they are.
    @inline(__always)
    func value(word: UInt64) throws(TableFailure) -> JSONValue {
        switch self {
        case .signed(64): return .integer(Int(truncatingIfNeeded: word))
        case .double: return Self.number(Double(bitPattern: word))
        default: return try rarerValue(word)
        }
    }

    private func rarerValue(_ word: UInt64) throws(TableFailure) -> JSONValue {
        let signed = Int64(bitPattern: word)
        switch self {
        case .null: return .null
        case .bool: return .bool(word != 0)
        case .signed(let bits): return .integer(Int((signed << Int64(64 - bits)) >> Int64(64 - bits)))
        case .unsigned(let bits): return Self.whole((word << UInt64(64 - bits)) >> UInt64(64 - bits))
        case .half: return Self.number(Self.half(UInt16(truncatingIfNeeded: word)))
        case .float: return Self.number(Double(Float(bitPattern: UInt32(truncatingIfNeeded: word))))
        case .double: return Self.number(Double(bitPattern: word))
        case .decimal(_, let scale): return .string(DecimalText.text(unscaled: signed, scale: scale))
        case .days: return .string(ISOText.date(days: signed))
        case .dayMilliseconds: return .string(ISOText.date(days: signed.flooredQuotient(by: 86_400_000).quotient))
        case .timestamp(let unit, let isInstant):
            return .string(ISOText.timestamp(signed, unit, isInstant: isInstant))
        case .duration(let unit): return Self.seconds(signed, unit)
        case .time(let unit):
            guard let text = ISOText.time(signed, unit) else {
                throw .damaged(wanted: "a time of a day in \(unit)", found: "\(signed)")
            }
            return .string(text)
        case .text, .binary, .uuid, .julianTimestamp, .unsupported: throw refusal
        }
    }

    /// The value of bytes as they stand in the file; numbers have their highest byte first.
    func value(bytes: UnsafeRawBufferPointer) throws(TableFailure) -> JSONValue {
        switch self {
        case .text:
            guard let text = String(validating: bytes, as: UTF8.self) else {
                throw TableFailure(.invalidText, "wanted text in UTF-8, found other bytes; write the column again")
            }
            return .string(text)
        case .binary:
            if let text = String(validating: bytes, as: UTF8.self) { return .string(text) }
            throw .unsupported(
                "found \(bytes.count) bytes that are no text in a column of bytes",
                "leave the column out, or store text")
        case .null: return .null
        case .half where bytes.count == 2: return Self.number(Self.half(bytes.littleEndian(at: 0, as: UInt16.self)))
        case .uuid where bytes.count == 16: return .string(Self.uuid(bytes))
        case .decimal(_, let scale) where bytes.count <= DecimalText.greatestWidth:
            return .string(DecimalText.text(bigEndian: bytes, scale: scale))
        case .julianTimestamp where bytes.count == 12:
            let day = Int64(bytes.littleEndian(at: 8, as: Int32.self))
            let text = ISOText.timestamp(
                julianDay: day, nanoseconds: bytes.littleEndian(at: 0, as: Int64.self))
            return .string(text)
        default: throw refusal
        }
    }

    private var refusal: TableFailure {
        if case .unsupported(let what) = self {
            return .unsupported("found a column of type \(what.inMessage)", "leave the column out, or store text")
        }
        return .damaged(wanted: "a value of type \(name)", found: "one of another width")
    }

    private static func number(_ value: Double) -> JSONValue { value.isFinite ? .number(value) : .null }

    private static func whole(_ value: UInt64) -> JSONValue {
        if let value = Int(exactly: value) { return .integer(value) }
        return BigInteger(String(value)).map { .bigInteger($0) } ?? .null
    }

    private static func seconds(_ value: Int64, _ unit: TimeUnit) -> JSONValue {
        let (seconds, rest) = value.quotientAndRemainder(dividingBy: unit.perSecond)
        return rest == 0 ? .integer(Int(seconds)) : .number(Double(value) / Double(unit.perSecond))
    }

    /// IEEE 754 binary16: 5 bits of exponent, 10 of fraction. Not every processor that Swift runs on has the type.
    private static func half(_ bits: UInt16) -> Double {
        let sign: Double = bits >> 15 == 1 ? -1 : 1
        let exponent = Int(bits >> 10 & 0x1F)
        let fraction = Double(bits & 0x3FF)
        switch exponent {
        case 0: return sign * fraction * 0x1p-24
        case 31: return fraction == 0 ? sign * .infinity : .nan
        default: return sign * (1 + fraction * 0x1p-10) * Double(sign: .plus, exponent: exponent - 15, significand: 1)
        }
    }

    private static func uuid(_ bytes: UnsafeRawBufferPointer) -> String {
        var text = ""
        for (index, byte) in bytes.enumerated() {
            if [4, 6, 8, 10].contains(index) { text += "-" }
            text += (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }
        return text
    }
}
