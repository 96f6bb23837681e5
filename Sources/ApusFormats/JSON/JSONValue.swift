/// A JSON tree as it was written: the order of keys is kept, integers stay apart from fractions, and those of any size are
/// whole. Chat templates print these, and reward functions compare them.
///
/// Values are equal as Python's are: `1` equals `1.0`, and the order of keys does not count.
public enum JSONValue: Sendable {
    /// `null`, which templates call `none`.
    case null
    /// `true` or `false`.
    case bool(Bool)
    /// A whole number.
    case integer(Int)
    /// A whole number beyond that.
    case bigInteger(BigInteger)
    /// A number that was written with a fraction or an exponent; always finite when it was read from a file.
    case number(Double)
    /// Text.
    case string(String)
    /// An array.
    case array([JSONValue])
    /// An object, in the order in which it was written.
    case object([Member])

    /// One key of an object with its value.
    public struct Member: Sendable, Equatable {
        /// The key.
        public var key: String
        /// The value.
        public var value: JSONValue

        /// A key with its value.
        public init(key: String, value: JSONValue) {
            self.key = key
            self.value = value
        }
    }
}

extension JSONValue {
    /// An object of the members of a dictionary, in order of their keys.
    public static func object(_ members: [String: JSONValue]) -> JSONValue {
        let ordered = members.sorted { JSONWriter.precedes($0.key, $1.key) }
        return .object(ordered.map { Member(key: $0.key, value: $0.value) })
    }

    /// The value of a key of an object; nil when there is none or this is no object.
    public subscript(key: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        // Texts that look the same are equal to Swift, but other keys.
        return members.last { $0.key == key && $0.key.utf8.elementsEqual(key.utf8) }?.value
    }

    /// The text of a string; nil for every other kind.
    public var string: String? { if case .string(let value) = self { value } else { nil } }

    /// The truth value; nil for every other kind.
    public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }

    /// A whole number that was written as one and that a machine word holds; nil for every other value.
    public var integer: Int? { if case .integer(let value) = self { value } else { nil } }

    /// The value of a number, as near as a double is; nil for every other kind.
    public var number: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .bigInteger(let value): value.nearest
        case .number(let value): value
        case .null, .bool, .string, .array, .object: nil
        }
    }

    /// The elements of an array; nil for every other kind.
    public var array: [JSONValue]? { if case .array(let value) = self { value } else { nil } }

    /// The members of an object in their order; nil for every other kind.
    public var members: [Member]? { if case .object(let value) = self { value } else { nil } }

    /// The members of an object by their keys; nil for every other kind.
    public var object: [String: JSONValue]? {
        members.map { Dictionary($0.map { ($0.key, $0.value) }, uniquingKeysWith: { $1 }) }
    }

    /// What an error message calls this kind of value.
    public var kindName: String {
        switch self {
        case .null: "null"
        case .bool: "a boolean"
        case .integer, .bigInteger, .number: "a number"
        case .string: "text"
        case .array: "an array"
        case .object: "an object"
        }
    }
}

extension JSONValue: Equatable {
    /// Whether two values are equal as Python's are.
    public static func == (left: JSONValue, right: JSONValue) -> Bool {
        switch (left, right) {
        case (.null, .null): true
        case (.bool(let left), .bool(let right)): left == right
        case (.integer(let left), .integer(let right)): left == right
        case (.bigInteger(let left), .bigInteger(let right)): left == right
        case (.number(let left), .number(let right)): left == right
        // Exact: a whole number is compared with the number that the double is, not with one near it.
        case (.integer(let whole), .number(let number)), (.number(let number), .integer(let whole)):
            Int(exactly: number) == whole
        case (.string(let left), .string(let right)): left == right
        case (.array(let left), .array(let right)): left == right
        case (.object(let left), .object(let right)): left == right || JSONValue.areEqual(left, right)
        default: false
        }
    }

    private static func areEqual(_ left: [Member], _ right: [Member]) -> Bool {
        JSONValue.object(left).object == JSONValue.object(right).object
    }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByFloatLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    /// Text.
    public init(stringLiteral value: String) { self = .string(value) }
    /// A truth value.
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    /// A whole number.
    public init(integerLiteral value: Int) { self = .integer(value) }
    /// A number.
    public init(floatLiteral value: Double) { self = .number(value) }
    /// An array.
    public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    /// An object in the order written.
    public init(dictionaryLiteral elements: (String, JSONValue)...) {
        self = .object(elements.map { Member(key: $0.0, value: $0.1) })
    }
}

extension JSONValue: JSONReadable {
    /// Reads one document.
    ///
    /// - Throws: `JSONReader.Failure` where the bytes are not one.
    public init(json: some Sequence<UInt8>, isLenient: Bool = false) throws(JSONReader.Failure) {
        var reader = JSONReader(Array(json), isLenient: isLenient)
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
    public init(jsonMembers members: [Member]) { self = .object(members) }
    /// One key of an object with its value.
    public static func jsonMember(_ key: String, _ value: JSONValue) -> Member { Member(key: key, value: value) }

    /// A number, which stays whole without fraction and exponent, whatever its size; nil for what is no finite double.
    public init?(jsonNumber text: String) {
        if let value = Int(text) {
            // -0 is a whole number in Python too, and has no sign there.
            self = .integer(value)
        } else if let value = BigInteger(text) {
            self = .bigInteger(value)
        } else {
            guard let value = Double(text), value.isFinite else { return nil }
            self = .number(value)
        }
    }
}

extension JSONValue: JSONWritable {
    /// The value as JSON, its numbers in Python's spelling.
    public var json: JSONNode<JSONValue> {
        switch self {
        case .null: .null
        case .bool(let value): .bool(value)
        case .integer(let value): .number(String(value))
        case .bigInteger(let value): .number(value.description)
        case .number(let value): .number(JSONWriter.describe(value))
        case .string(let value): .string(value)
        case .array(let elements): .array(elements)
        case .object(let members): .object(members.map { ($0.key, $0.value) })
        }
    }
}

extension JSONValue: Codable {
    /// Decodes whatever stands there. Decoders do not tell the order of keys: they come sorted.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Int.self) {
            self = .integer(value)
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

    /// Encodes the tree. Encoders take integers of 38 digits: one that is longer becomes text.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .bool(let value): try container.encode(value)
        case .integer(let value): try container.encode(value)
        case .bigInteger(let value):
            if let whole = Int128(value.description) {
                try container.encode(whole)
            } else {
                try container.encode(value.description)
            }
        case .number(let value): try container.encode(value)
        case .string(let value): try container.encode(value)
        case .array(let value): try container.encode(value)
        case .object(let members):
            try container.encode(Dictionary(members.map { ($0.key, $0.value) }, uniquingKeysWith: { $1 }))
        }
    }
}
