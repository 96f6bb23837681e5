import Apus
import Foundation

extension SettingKind {
    /// The value in this kind's type, or nil when it does not fit.
    func value(of raw: RawValue) -> JSONValue? {
        switch (self, raw) {
        case (.mapping, .map): return raw.untyped
        case (.rewardList, _): return Self.rewards(raw)
        case (.datasetList, .map): return .array([raw.untyped])
        case (.datasetList, .list(let items)): return .array(items.map(\.untyped))
        case (.textList, _): return Self.list(raw) { .string($0) }
        case (.texts, .scalar(let text, _)): return .array([.string(text)])
        case (.texts, .list(let items)): return Self.texts(items)
        case (.numberList, _): return Self.list(raw) { RawValue.number($0).map(JSONValue.number) }
        case (_, .scalar(let text, _)): return scalar(text)
        default: return nil
        }
    }

    private func scalar(_ text: String) -> JSONValue? {
        switch self {
        case .integer:
            return RawValue.number(text).flatMap(Int.init(exactly:)).map(JSONValue.integer)
        case .number: return RawValue.number(text).map(JSONValue.number)
        case .flag: return (RawValue.flag(text) ?? ["1": true, "0": false][text]).map(JSONValue.bool)
        case .flagOr(let word):
            return text == word ? .string(word) : SettingKind.flag.scalar(text)
        case .text: return .string(text)
        case .path: return .string(Self.expandingHome(text))
        case .choice(let words, let whenTrue, let whenFalse):
            if words.contains(text) { return .string(text) }
            guard let flag = RawValue.flag(text) else { return nil }
            return (flag ? whenTrue : whenFalse).map(JSONValue.string)
        case .folderOrFlag:
            guard let flag = RawValue.flag(text) else { return .string(Self.expandingHome(text)) }
            return flag ? .string("true") : .null
        case .limit: return text == "none" ? .number(0) : RawValue.number(text).map(JSONValue.number)
        case .device: return DeviceChoice(text).map { .string("\($0)") }
        case .textList, .texts, .numberList, .mapping, .rewardList, .datasetList: return nil
        }
    }

    /// A shell leaves `~` alone in `--key=~/folder`, and nobody replaces it in a file.
    private static func expandingHome(_ path: String) -> String { (path as NSString).expandingTildeInPath }

    /// A list of names and mappings; one mapping, or one scalar with commas between names, is a list too.
    private static func rewards(_ raw: RawValue) -> JSONValue? {
        switch raw {
        case .map: return .array([raw.untyped])
        case .scalar: return list(raw) { .string($0) }
        case .list(let items):
            var rewards: [JSONValue] = []
            for item in items {
                switch item {
                case .map:
                    guard case .scalar? = item["name"] else { return nil }
                    rewards.append(item.untyped)
                // Names between commas may stand in one argument: `--reward_funcs a,b c`.
                case .scalar: rewards += list(item) { .string($0) }?.array ?? []
                case .list: return nil
                }
            }
            return .array(rewards)
        }
    }

    private static func texts(_ items: [RawValue]) -> JSONValue? {
        let texts = items.compactMap { item -> JSONValue? in
            if case .scalar(let text, _) = item { .string(text) } else { nil }
        }
        return texts.count == items.count ? .array(texts) : nil
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
