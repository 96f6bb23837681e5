public import ApusFormats

/// A JSON tree. Numbers are doubles, and integers that no double holds keep their digits.
public enum JSONValue: Sendable, Equatable {
    /// `null`.
    case null
    /// `true` or `false`.
    case bool(Bool)
    /// A number; always finite when it was read from a file.
    case number(Double)
    /// A whole number that is no double, or of more than 38 digits.
    case bigInteger(BigInteger)
    /// Text.
    case string(String)
    /// An array.
    case array([JSONValue])
    /// An object; the order of its members is not kept.
    case object([String: JSONValue])
}

extension JSONValue {
    /// The text of a string; nil for every other kind.
    public var string: String? { if case .string(let value) = self { value } else { nil } }

    /// A reference answer as rewards compare it: text as it is, numbers and truth values as JSON writes them; nil for every other
    /// kind.
    public var answerText: String? {
        switch self {
        case .string(let text): text
        case .bool(let flag): flag ? "true" : "false"
        case .number, .bigInteger: brief
        case .null, .array, .object: nil
        }
    }

    /// The value of a number, as near as a double is; nil for every other kind.
    public var number: Double? {
        switch self {
        case .number(let value): value
        case .bigInteger(let value): value.nearest
        default: nil
        }
    }

    /// The elements of an array; nil for every other kind.
    public var array: [JSONValue]? { if case .array(let value) = self { value } else { nil } }

    /// The members of an object; nil for every other kind.
    public var object: [String: JSONValue]? { if case .object(let value) = self { value } else { nil } }

    /// What an error message calls this kind of value.
    var kindName: String {
        switch self {
        case .null: "null"
        case .bool: "a boolean"
        case .number, .bigInteger: "a number"
        case .string: "text"
        case .array: "an array"
        case .object: "an object"
        }
    }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByFloatLiteral, ExpressibleByBooleanLiteral {
    /// A string value.
    public init(stringLiteral value: String) { self = .string(value) }

    /// A number value.
    public init(floatLiteral value: Double) { self = .number(value) }

    /// A boolean value.
    public init(booleanLiteral value: Bool) { self = .bool(value) }
}

extension JSONValue: Codable {
    /// Decodes whatever stands there.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Double.self) {
            let whole = abs(value) < 0x1p53 ? nil : try? container.decode(Int128.self)
            self = whole.flatMap { JSONValue(jsonNumber: String($0)) } ?? .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode([JSONValue].self) {
            self = .array(value)
        } else {
            self = .object(try container.decode([String: JSONValue].self))
        }
    }

    /// Encodes the tree; a whole number is written without a decimal point. Encoders take integers of 38 digits: one that is
    /// longer becomes text.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .bool(let value): try container.encode(value)
        case .number(let value):
            if let whole = Int128(exactly: value) {
                try Self.encode(whole, in: &container)
            } else {
                try container.encode(value)
            }
        case .bigInteger(let value):
            if let whole = Int128(value.description) {
                try Self.encode(whole, in: &container)
            } else {
                try container.encode(value.description)
            }
        case .string(let value): try container.encode(value)
        case .array(let value): try container.encode(value)
        case .object(let value): try container.encode(value)
        }
    }

    /// Some encoders know `Int` alone.
    private static func encode(_ whole: Int128, in container: inout any SingleValueEncodingContainer) throws {
        if let word = Int(exactly: whole) { try container.encode(word) } else { try container.encode(whole) }
    }
}

extension JSONValue: JSONReadable {
    /// Reads a JSON document with every digit of its integers.
    ///
    /// - Throws: `JSONReader.Failure` where the bytes are not one document.
    package init(json: some Sequence<UInt8>) throws(JSONReader.Failure) {
        var reader = JSONReader(Array(json))
        self = try reader.document()
    }

    /// `null`.
    public static var jsonNull: JSONValue { .null }
    /// `true` or `false`.
    public init(jsonWord value: Bool) { self = .bool(value) }
    /// Text.
    public init(jsonText text: String) { self = .string(text) }
    /// An array.
    public init(jsonElements elements: [JSONValue]) { self = .array(elements) }
    /// An object.
    public init(jsonMembers members: [(String, JSONValue)]) {
        var object: [String: JSONValue] = [:]
        for (key, value) in members { object[key] = value }
        self = .object(object)
    }
    /// A member of an object.
    public static func jsonMember(_ key: String, _ value: JSONValue) -> (String, JSONValue) { (key, value) }

    /// A number: a double where that is the same number, else its digits; nil for what is no finite double.
    public init?(jsonNumber text: String) {
        if Int128(text).flatMap(Double.init(exactly:)) == nil, let integer = BigInteger(text) {
            self = .bigInteger(integer)
        } else if let number = Double(text), number.isFinite {
            self = .number(number)
        } else {
            return nil
        }
    }
}

extension JSONValue: JSONWritable {
    /// The value as JSON; a whole number is written without a decimal point, and what is not finite as null.
    public var json: JSONNode<JSONValue> {
        switch self {
        case .null: .null
        case .bool(let value): .bool(value)
        case .number(let value) where !value.isFinite: .null
        case .number, .bigInteger: .number(brief)
        case .string(let value): .string(value)
        case .array(let elements): .array(elements)
        case .object(let members): .object(members.map { ($0.key, $0.value) })
        }
    }
}
