import Apus

/// A value as it was written, before anyone knows which type its setting wants.
///
/// A YAML file and the command line both end here, so `1e-6`, `"1e-6"` and `--learning_rate 1e-6` are one thing.
indirect enum RawValue: Equatable, Sendable {
    /// `isPlain` is false when the text stood in quotes: then `null` and `true` are just words.
    case scalar(String, isPlain: Bool)
    case list([RawValue])
    case map([Entry])

    /// One key of a mapping with its value.
    struct Entry: Equatable, Sendable {
        var key: String
        var value: RawValue
    }

    /// YAML's spellings of "nothing", and Python's.
    var isNull: Bool {
        guard case .scalar(let text, isPlain: true) = self else { return false }
        return ["", "~", "null", "Null", "NULL", "None"].contains(text)
    }

    /// The value of a key of a mapping; nil where there is none.
    subscript(key: String) -> RawValue? {
        guard case .map(let entries) = self else { return nil }
        return entries.last { $0.key == key }?.value
    }

    /// As it is shown in a message.
    var shown: String {
        switch self {
        case .scalar(let text, _): "'\(text)'"
        case .list(let items): "a list of \(items.count)"
        case .map: "a mapping"
        }
    }

    /// The value by YAML's own rules, for the inside of mappings whose keys Apus does not know.
    var untyped: JSONValue {
        switch self {
        case .list(let items): return .array(items.map(\.untyped))
        case .map(let entries): return .object(entries.map { .init(key: $0.key, value: $0.value.untyped) })
        case .scalar(let text, let isPlain):
            if isNull { return .null }
            guard isPlain else { return .string(text) }
            if let flag = Self.flag(text) { return .bool(flag) }
            if let number = Self.number(text) {
                return JSONValue(jsonNumber: text.replacing("_", with: "")) ?? .number(number)
            }
            return .string(text)
        }
    }

    /// A finite number, with Python's underscores between digits allowed.
    static func number(_ text: String) -> Double? {
        let digits = text.contains("_") ? text.filter { $0 != "_" } : text
        guard let first = digits.first, first.isNumber || "+-.".contains(first) else { return nil }
        guard let value = Double(digits), value.isFinite else { return nil }
        return value
    }

    /// YAML 1.1's words for true and false.
    static func flag(_ text: String) -> Bool? {
        switch text.lowercased() {
        case "true", "yes", "on": true
        case "false", "no", "off": false
        default: nil
        }
    }
}
