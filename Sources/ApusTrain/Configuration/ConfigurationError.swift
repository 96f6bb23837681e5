/// A setting that cannot be used: names the key, the value and the rule, in one line.
public struct ConfigurationError: Error, CustomStringConvertible, Sendable, Equatable {
    /// The key as it is written in a configuration file.
    public let key: String
    /// Key, value and rule.
    public let description: String

    /// A value that breaks a rule.
    init(key: String, value: String, rule: String) {
        self.key = key
        self.description = "\(key): \(value) \(rule)"
    }

    /// A key that does not exist.
    init(unknown key: String, suggestion: String?) {
        self.key = key
        self.description =
            "unknown setting '\(key)'" + (suggestion.map { ", did you mean '\($0)'?" } ?? "")
    }
}
