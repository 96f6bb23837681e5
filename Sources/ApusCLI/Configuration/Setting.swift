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
    /// Values that contain this are accepted with this notice (or silently, when they are among `unless`); others are refused.
    case family(containing: String, unless: [String], notice: String, reason: String)
    /// A mapping of a sampler's parameters, each of which is one of these rows.
    case parameters(@Sendable () -> SettingIndex)
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

/// A table of keys that can be asked for one.
struct SettingIndex: Sendable {
    /// All rows, in the order in which they are shown.
    let rows: [Setting]
    private let byName: [String: Setting]
    private let families: [Setting]

    init(_ rows: [Setting]) {
        self.rows = rows
        byName = Dictionary(rows.map { ($0.name, $0) }) { first, _ in first }
        families = rows.filter { $0.name.hasSuffix("*") }
    }

    /// The row of a key, or nil for a key that nobody knows.
    func row(_ key: String) -> Setting? {
        byName[key] ?? families.first { $0.covers(key) }
    }

    /// The kind of value of a row, followed through other names; nil where any value is accepted.
    func kind(of setting: Setting) -> SettingKind? {
        switch setting.treatment {
        case .trainer(let kind), .run(let kind): kind
        case .alias(let name, _), .fallback(let name): row(name).flatMap(kind)
        case .ignored(let unless, _), .refused(let unless, _):
            !unless.isEmpty && unless.allSatisfy { $0 == "true" || $0 == "false" } ? .flag : nil
        case .parameters: .mapping
        case .family: nil
        }
    }

    /// What to say about a key that nobody knows.
    func unknown(_ key: String) -> String {
        let suggestion = nearestName(to: key, among: rows.map(\.name)).map { "; did you mean \($0)?" }
        return "unknown setting" + (suggestion ?? "; `apus train --help` says where they are listed")
    }
}

extension SettingTable {
    /// The keys of `apus train`.
    static let index = SettingIndex(rows)

    /// The row of a key of `apus train`, or nil for a key that nobody knows.
    static func row(_ key: String) -> Setting? { index.row(key) }

    /// The key without its dashes: `--learning-rate` and `learning_rate` are one setting.
    static func canonicalSpelling(_ key: String) -> String {
        key.replacing("-", with: "_")
    }
}

extension Setting {
    /// The kind of value of a key of `apus train`.
    var kind: SettingKind? { SettingTable.index.kind(of: self) }
}
