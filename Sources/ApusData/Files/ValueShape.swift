/// What kind of values a column holds, as far down as its rows agree.
public indirect enum ValueShape: Sendable, Equatable, CustomStringConvertible {
    /// Nothing but null.
    case null
    /// Truth values.
    case flag
    /// Whole numbers.
    case integer
    /// Numbers, some with a fraction.
    case number
    /// Text.
    case text
    /// Lists of one kind of elements.
    case list(ValueShape)
    /// Mappings of these keys, in the order in which they were seen.
    case mapping([Field])
    /// Values of kinds that do not go together.
    case mixed

    /// A key of a mapping.
    public struct Field: Sendable, Equatable {
        /// The key.
        public let key: String
        /// What stands under it.
        public var shape: ValueShape
    }

    /// More keys are words of the data, and no columns.
    private static let keyLimit = 40
    /// Deeper down values are not told apart.
    private static let depthLimit = 8

    /// The shape of one value.
    init(_ value: JSONValue, depth: Int = 0) {
        switch value {
        case .null: self = .null
        case .bool: self = .flag
        case .integer, .bigInteger: self = .integer
        case .number: self = .number
        case .string: self = .text
        case .array, .object:
            guard depth < Self.depthLimit else {
                self = .mixed
                return
            }
            if let items = value.array {
                self = .list(items.reduce(.null) { $0.joined(with: ValueShape($1, depth: depth + 1)) })
            } else {
                self = .mapping(
                    (value.members ?? []).prefix(Self.keyLimit + 1).map {
                        Field(key: $0.key, shape: ValueShape($0.value, depth: depth + 1))
                    })
            }
        }
    }

    /// The shape that values of both have.
    func joined(with other: ValueShape) -> ValueShape {
        switch (self, other) {
        case (.null, let shape), (let shape, .null): return shape
        case (.integer, .number), (.number, .integer): return .number
        case (.list(let one), .list(let two)): return .list(one.joined(with: two))
        case (.mapping(var fields), .mapping(let others)):
            for other in others {
                if let index = fields.firstIndex(where: { $0.key == other.key }) {
                    fields[index].shape = fields[index].shape.joined(with: other.shape)
                } else if fields.count <= Self.keyLimit {
                    fields.append(other)
                }
            }
            return .mapping(fields)
        default: return self == other ? self : .mixed
        }
    }

    /// In words: `list of {role: text, content: text}`.
    public var description: String {
        switch self {
        case .null: "nothing"
        case .flag: "true or false"
        case .integer: "whole number"
        case .number: "number"
        case .text: "text"
        case .list(let element): "list of \(element)"
        case .mapping(let fields) where fields.count > Self.keyLimit: "mapping"
        case .mapping(let fields): "{\(fields.map { "\($0.key): \($0.shape)" }.joined(separator: ", "))}"
        case .mixed: "values of several kinds"
        }
    }
}
