public import ApusData

/// Settings that are declared one by one. Reading and writing them, their bounds, and what a change means to a continuation
/// follow from the declarations.
public protocol DeclaredSettings: Codable, Sendable, Equatable {
    /// The defaults.
    init()
    /// Every setting, in the order in which they are shown.
    static var declarations: [SettingDeclaration<Self>] { get }
    /// A value before it is read, where other forms of it are understood.
    /// - Throws: ``ConfigurationError`` for a value that is refused with a reason of its own.
    static func normalized(_ value: JSONValue, of key: String) throws(ConfigurationError) -> JSONValue
}

extension DeclaredSettings {
    /// Every key that a configuration may hold.
    public static var settingNames: [String] { declarations.map(\.facts.key) }

    /// The value as it is.
    public static func normalized(_ value: JSONValue, of key: String) -> JSONValue { value }

    /// The defaults with some settings laid over them. Numbers may be written as strings (YAML reads `1e-6` as one).
    /// - Throws: ``ConfigurationError`` for an unknown key, a wrong type or a number out of bounds.
    package init(laying settings: [String: JSONValue]) throws(ConfigurationError) {
        self.init()
        let declarations = Dictionary(uniqueKeysWithValues: Self.declarations.map { ($0.facts.key, $0) })
        for (key, value) in settings.sorted(by: { $0.key < $1.key }) {
            guard let declaration = declarations[key] else {
                throw ConfigurationError(unknown: key, suggestion: nearestName(to: key, among: Self.settingNames))
            }
            let value = declaration.facts.kind.unquoted(try Self.normalized(value, of: key))
            guard declaration.write(&self, value) else {
                throw ConfigurationError(
                    key: key, value: value.shown, rule: declaration.facts.kind.mustBe)
            }
        }
        try validateBounds()
    }

    /// Checks every number against its bounds.
    /// - Throws: ``ConfigurationError`` for the first that is outside.
    package func validateBounds() throws(ConfigurationError) {
        for declaration in Self.declarations {
            guard let (number, rule) = declaration.facts.kind.fault(of: declaration.read(self)) else { continue }
            throw ConfigurationError(
                key: declaration.facts.key, value: declaration.facts.kind.text(number), rule: rule)
        }
    }

    /// Keys and values as they are written.
    package var members: [String: JSONValue] {
        Dictionary(uniqueKeysWithValues: Self.declarations.map { ($0.facts.key, $0.read(self)) })
    }

    /// What a change of each key means to a continuation.
    package static var resumeEffects: [String: ResumeEffect] {
        Dictionary(uniqueKeysWithValues: declarations.map { ($0.facts.key, $0.facts.onResume) })
    }

    /// Reads a mapping of keys to values; keys that are missing have their defaults.
    public init(from decoder: any Decoder) throws {
        try self.init(laying: decoder.singleValueContainer().decode([String: JSONValue].self))
    }

    /// Writes every key with its value.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(members)
    }
}

extension SettingKind {
    /// The rule for a value of another kind.
    fileprivate var mustBe: String {
        if case .number = self { return "must be a finite number" }
        return "must be \(rule)"
    }

    /// A number that is written as a string.
    fileprivate func unquoted(_ value: JSONValue) -> JSONValue {
        switch self {
        case .integer, .number, .limit:
            guard case .string(let text) = value, let number = Double(text) else { return value }
            return JSONValue(jsonNumber: text) ?? .number(number)
        default: return value
        }
    }

    /// A number as a message shows it: `4` of a whole number, else `0.5` or `4.0`.
    package func text(_ number: Double) -> String {
        if case .integer = self, let whole = Int(exactly: number) { return "\(whole)" }
        return "\(number)"
    }
}

extension JSONValue {
    /// As a message shows it.
    var shown: String {
        switch self {
        case .null: "null"
        case .bool(let flag): "\(flag)"
        case .integer(let number): "\(number)"
        case .number(let number): number.plainText
        case .bigInteger(let number): "\(number)"
        case .string(let text): "'\(text)'"
        case .array(let values): "[" + values.map(\.shown).joined(separator: ", ") + "]"
        case .object: "a mapping"
        }
    }
}
