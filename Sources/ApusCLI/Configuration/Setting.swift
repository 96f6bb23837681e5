import Apus

/// What Apus does with one key of a configuration.
enum SettingTreatment: Sendable {
    /// A setting of `GRPOConfiguration`, under the same key.
    case trainer(SettingKind)
    /// A setting of `RunSettings`: model, adapter, data, machine.
    case run(SettingKind)
    /// Another name of a setting; a notice says where the meanings differ.
    case alias(of: String, notice: String? = nil)
    /// Another name that only counts when the setting itself is not given.
    case fallback(for: String)
    /// Some values say what Apus does anyway; any other value is accepted with this notice.
    case ignored(unless: [String] = [], notice: String)
    /// Values that begin so are accepted with this notice (or silently, when they are among `unless`); others are refused.
    case family(prefix: String, unless: [String], notice: String, reason: String)
    /// Some values say what Apus does anyway; any other value is refused for this reason.
    case refused(unless: [String], reason: String)
}

/// One row of the table of keys. A name that ends in `*` stands for every key that starts so.
struct Setting: Sendable {
    let name: String
    let treatment: SettingTreatment

    init(_ name: String, _ treatment: SettingTreatment) {
        self.name = name
        self.treatment = treatment
    }

    func covers(_ key: String) -> Bool {
        name.hasSuffix("*") ? key.hasPrefix(name.dropLast()) : key == name
    }
}

extension SettingTable {
    private static let byName = Dictionary(uniqueKeysWithValues: rows.map { ($0.name, $0) })
    private static let families = rows.filter { $0.name.hasSuffix("*") }

    /// The row of a key, or nil for a key that nobody knows.
    static func row(_ key: String) -> Setting? {
        byName[key] ?? families.first { $0.covers(key) }
    }

    /// The key without its dashes: `--learning-rate` and `learning_rate` are one setting.
    static func canonicalSpelling(_ key: String) -> String {
        key.replacing("-", with: "_")
    }

    /// What to say about a key that nobody knows.
    static func unknown(_ key: String) -> String {
        let suggestion = nearestName(to: key, among: rows.map(\.name)).map { "; did you mean \($0)?" }
        return "unknown setting" + (suggestion ?? "; `apus train --help` says where they are listed")
    }
}
