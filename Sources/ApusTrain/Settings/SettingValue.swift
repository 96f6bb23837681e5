package import ApusData
package import ApusTensor

/// A type of values that a setting may have, as they stand in a configuration's JSON form.
package protocol SettingValue: Sendable, Equatable {
    /// The value; `nil` where the JSON is of another kind.
    init?(setting: JSONValue)
    /// The JSON that reads back as the same value.
    var setting: JSONValue { get }
}

extension Int: SettingValue {
    package init?(setting: JSONValue) {
        switch setting {
        case .integer(let value) where value.magnitude <= 1 << 53: self = value
        case .number(let number) where abs(number) <= 0x1p53:
            guard let value = Int(exactly: number) else { return nil }
            self = value
        default: return nil
        }
    }
    package var setting: JSONValue { .integer(self) }
}

extension Double: SettingValue {
    package init?(setting: JSONValue) {
        guard let number = setting.number, number.isFinite else { return nil }
        self = number
    }
    package var setting: JSONValue { .number(self) }
}

extension Bool: SettingValue {
    package init?(setting: JSONValue) {
        guard case .bool(let flag) = setting else { return nil }
        self = flag
    }
    package var setting: JSONValue { .bool(self) }
}

extension String: SettingValue {
    package init?(setting: JSONValue) {
        guard case .string(let text) = setting else { return nil }
        self = text
    }
    package var setting: JSONValue { .string(self) }
}

extension DeviceChoice: SettingValue {
    package init?(setting: JSONValue) {
        guard case .string(let text) = setting else { return nil }
        self.init(text)
    }
    package var setting: JSONValue { .string(description) }
}

extension JSONValue: SettingValue {
    package init?(setting: JSONValue) { self = setting }
    package var setting: JSONValue { self }
}

extension Optional: SettingValue where Wrapped: SettingValue {
    package init?(setting: JSONValue) {
        if case .null = setting {
            self = Optional<Wrapped>.none
            return
        }
        guard let value = Wrapped(setting: setting) else { return nil }
        self = .some(value)
    }
    package var setting: JSONValue { self?.setting ?? .null }
}

extension Array: SettingValue where Element: SettingValue {
    package init?(setting: JSONValue) {
        guard case .array(let items) = setting else { return nil }
        let values = items.compactMap(Element.init(setting:))
        guard values.count == items.count else { return nil }
        self = values
    }
    package var setting: JSONValue { .array(map(\.setting)) }
}

extension Dictionary: SettingValue where Key == String, Value == JSONValue {
    package init?(setting: JSONValue) {
        guard let members = setting == .null ? [:] : setting.object else { return nil }
        self = members
    }
    package var setting: JSONValue { isEmpty ? .null : .object(self) }
}

/// A value that is one of a few words.
package protocol SettingChoice: SettingValue, CaseIterable, RawRepresentable<String> {
    /// The words that true and false stand for, where older versions of TRL had a flag.
    static var flags: (true: Self?, false: Self?) { get }
}

extension SettingChoice {
    package static var flags: (true: Self?, false: Self?) { (nil, nil) }

    package init?(setting: JSONValue) {
        switch setting {
        case .string(let word): self.init(rawValue: word)
        case .bool(let flag):
            guard let value = flag ? Self.flags.true : Self.flags.false else { return nil }
            self = value
        default: return nil
        }
    }
    package var setting: JSONValue { .string(rawValue) }

    /// The kind of a setting with these words.
    static var kind: SettingKind {
        .choice(allCases.map(\.rawValue), true: flags.true?.rawValue, false: flags.false?.rawValue)
    }
}

extension RewardFailurePolicy: SettingChoice {}
