public import ApusFormats

/// A value that a chat template can read: JSON data with the order of keys kept and integers apart from fractions,
/// since templates print both.
public enum TemplateValue: Sendable, Equatable {
    /// Nothing: JSON's null and the template language's `none`.
    case null
    /// A truth value.
    case bool(Bool)
    /// A whole number.
    case integer(Int)
    /// A whole number beyond that.
    case bigInteger(BigInteger)
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
        try self.init(json: Array(json), name: "JSON")
    }

    /// Reads a JSON document; `name` is what errors call it.
    init(json bytes: [UInt8], name: String) throws(TextError) {
        do throws(JSONReader.Failure) {
            var reader = JSONReader(bytes, isLenient: true)
            self = try reader.document()
        } catch {
            let message = "\(name): not valid JSON at byte \(error.offset): \(error.message); fetch the file again"
            throw TextError(code: .malformed, message: message)
        }
    }
}

extension TemplateValue: JSONReadable {
    /// Nothing.
    public static var jsonNull: TemplateValue { .null }
    /// A truth value.
    public init(jsonWord value: Bool) { self = .bool(value) }
    /// Text.
    public init(jsonText text: String) { self = .string(text) }
    /// A list.
    public init(jsonElements elements: [TemplateValue]) { self = .array(elements) }
    /// A mapping.
    public init(jsonMembers members: [Member]) { self = .object(members) }
    /// One key of a mapping with its value.
    public static func jsonMember(_ key: String, _ value: TemplateValue) -> Member { Member(key: key, value: value) }

    /// A number, which stays whole without fraction and exponent, whatever its size.
    public init?(jsonNumber text: String) {
        if let value = Int(text) {
            self = .integer(value)
        } else if let value = BigInteger(text) {
            self = .bigInteger(value)
        } else {
            guard let value = Double(text) else { return nil }
            self = .number(value)
        }
    }
}

extension TemplateValue: JSONWritable {
    /// The value as JSON, its numbers in Python's spelling.
    public var json: JSONNode<TemplateValue> {
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
