/// A value that a chat template can read: JSON data with the order of keys kept and integers apart from fractions,
/// since templates print both.
public enum TemplateValue: Sendable, Equatable {
    /// Nothing: JSON's null and the template language's `none`.
    case null
    /// A truth value.
    case bool(Bool)
    /// A whole number.
    case integer(Int)
    /// A number that was written with a fraction or an exponent.
    case number(Double)
    /// Text.
    case string(String)
    /// A list.
    case array([TemplateValue])
    /// A mapping, in the order in which it was written.
    case object([Member])

    /// One key of a mapping with its value.
    public struct Member: Sendable, Equatable {
        /// The key.
        public var key: String
        /// The value.
        public var value: TemplateValue

        /// Makes a member.
        public init(key: String, value: TemplateValue) {
            self.key = key
            self.value = value
        }
    }
}

extension TemplateValue {
    /// The value of a key of a mapping; nil when there is none or this is no mapping.
    package subscript(key: String) -> TemplateValue? {
        guard case .object(let members) = self else { return nil }
        return members.last { $0.key == key }?.value
    }

    /// The text; nil for another kind of value.
    package var string: String? {
        guard case .string(let value) = self else { return nil }
        return value
    }

    /// The truth value; nil for another kind of value.
    package var bool: Bool? {
        guard case .bool(let value) = self else { return nil }
        return value
    }

    /// The whole number; nil for another kind of value.
    package var integer: Int? {
        guard case .integer(let value) = self else { return nil }
        return value
    }

    /// The elements; nil for another kind of value.
    package var array: [TemplateValue]? {
        guard case .array(let value) = self else { return nil }
        return value
    }

    /// The members in their order; nil for another kind of value.
    package var members: [Member]? {
        guard case .object(let value) = self else { return nil }
        return value
    }
}

extension TemplateValue: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByFloatLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral, ExpressibleByNilLiteral
{
    /// Text.
    public init(stringLiteral value: String) { self = .string(value) }
    /// A truth value.
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    /// A whole number.
    public init(integerLiteral value: Int) { self = .integer(value) }
    /// A number.
    public init(floatLiteral value: Double) { self = .number(value) }
    /// A list.
    public init(arrayLiteral elements: TemplateValue...) { self = .array(elements) }
    /// A mapping in the order written.
    public init(dictionaryLiteral elements: (String, TemplateValue)...) {
        self = .object(elements.map { Member(key: $0.0, value: $0.1) })
    }
    /// Nothing.
    public init(nilLiteral: ()) { self = .null }
}

extension TemplateValue {
    /// Reads a JSON document, for instance a list of tool definitions.
    ///
    /// - Throws: `TextError` when the bytes are no valid JSON.
    public init(json: some Sequence<UInt8>) throws(TextError) {
        self = try JSONParser.parse(Array(json), name: "JSON")
    }
}
