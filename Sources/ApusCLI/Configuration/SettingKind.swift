import Apus

/// What a setting accepts.
enum SettingKind: Equatable, Sendable {
    case integer
    case number
    case flag
    /// A flag, for which this word stands as true.
    case flagOr(String)
    case text
    /// One of these words. A flag is understood too, since YAML reads a bare `no` as false and older TRL had flags here.
    case choice([String], true: String? = nil, false: String? = nil)
    /// A folder, or true for one that the trainer finds, or false for none.
    case folderOrFlag
    case textList
    case numberList
    case mapping

    /// The rule in words, to end the sentence "expected …".
    var rule: String {
        switch self {
        case .integer: "a whole number"
        case .number: "a number"
        case .flag, .flagOr: "true or false"
        case .text: "text"
        case .choice(let words, _, _): "one of \(words.joined(separator: ", "))"
        case .folderOrFlag: "a folder, true or false"
        case .textList: "a list of names"
        case .numberList: "a list of numbers"
        case .mapping: "a mapping such as {name: value}"
        }
    }

    /// The kind in a word or two, for a table.
    var name: String {
        switch self {
        case .integer: "integer"
        case .number: "number"
        case .flag, .flagOr: "flag"
        case .text: "text"
        case .choice(let words, _, _): words.joined(separator: ", ")
        case .folderOrFlag: "folder or flag"
        case .textList: "names"
        case .numberList: "numbers"
        case .mapping: "mapping"
        }
    }

    /// The value in this kind's type, or nil when it does not fit.
    func value(of raw: RawValue) -> JSONValue? {
        switch (self, raw) {
        case (.mapping, .map): return raw.untyped
        case (.textList, _): return Self.list(raw) { .string($0) }
        case (.numberList, _): return Self.list(raw) { RawValue.number($0).map(JSONValue.number) }
        case (_, .scalar(let text, _)): return scalar(text)
        default: return nil
        }
    }

    private func scalar(_ text: String) -> JSONValue? {
        switch self {
        case .integer:
            guard let number = RawValue.number(text), Int(exactly: number) != nil else { return nil }
            return .number(number)
        case .number: return RawValue.number(text).map(JSONValue.number)
        case .flag: return (RawValue.flag(text) ?? ["1": true, "0": false][text]).map(JSONValue.bool)
        case .flagOr(let word):
            return text == word ? .bool(true) : SettingKind.flag.scalar(text)
        case .text: return .string(text)
        case .choice(let words, let whenTrue, let whenFalse):
            if words.contains(text) { return .string(text) }
            guard let flag = RawValue.flag(text) else { return nil }
            return (flag ? whenTrue : whenFalse).map(JSONValue.string)
        case .folderOrFlag:
            guard let flag = RawValue.flag(text) else { return .string(text) }
            return flag ? .string("true") : .null
        case .textList, .numberList, .mapping: return nil
        }
    }

    /// A YAML list, or one scalar with commas between the items: `--reward_funcs correctness,int`.
    private static func list(_ raw: RawValue, item: (String) -> JSONValue?) -> JSONValue? {
        let texts: [String]
        switch raw {
        case .scalar(let text, _):
            texts = text.split(separator: ",").map { $0.trimmingPrefix { $0 == " " } }.map(String.init)
        case .list(let items):
            var collected: [String] = []
            for case .scalar(let text, _) in items { collected.append(text) }
            guard collected.count == items.count else { return nil }
            texts = collected
        case .map: return nil
        }
        let values = texts.compactMap(item)
        return values.count == texts.count ? .array(values) : nil
    }
}
