import ApusTables

extension JSONValue {
    /// The value as a message shows it: whole numbers without a fraction.
    package var brief: String {
        switch self {
        case .null: "null"
        case .bool(let flag): "\(flag)"
        case .integer(let number): "\(number)"
        case .bigInteger(let number): "\(number)"
        case .number(let number): Int128(exactly: number).map(String.init) ?? "\(number)"
        case .string(let text): "'\(text.prefix(60).description.onOneLine)'"
        case .array(let items): "a list of \(items.count)"
        case .object: "a mapping"
        }
    }

    /// A reference answer as rewards compare it: text as it is, numbers and truth values as JSON writes them; nil for every other
    /// kind.
    public var answerText: String? {
        switch self {
        case .string(let text): text
        case .bool(let flag): flag ? "true" : "false"
        case .integer, .number, .bigInteger: brief
        case .null, .array, .object: nil
        }
    }
}
