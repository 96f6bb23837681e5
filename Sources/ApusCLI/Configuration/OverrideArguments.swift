import Apus

/// Splits `[CONFIG.yaml] --key value --key=value --flag` into the file's path and the settings.
struct OverrideArguments: Equatable {
    private(set) var configurationPath: String?
    private(set) var settings: [WrittenSetting] = []

    /// - Throws: `SettingError` for a key without a value, an unknown key or a second path.
    init(_ arguments: [String], index: SettingIndex = SettingTable.index) throws {
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            guard argument.hasPrefix("--") else {
                guard configurationPath == nil, !argument.hasPrefix("-") else {
                    throw SettingError("\(argument): expected '--key value' or one configuration file")
                }
                configurationPath = argument
                continue
            }
            settings.append(try Self.setting(argument.dropFirst(2), &rest, index))
        }
    }

    private static func setting(
        _ text: Substring, _ rest: inout ArraySlice<String>, _ index: SettingIndex
    ) throws -> WrittenSetting {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let key = SettingTable.canonicalSpelling(String(parts[0]))
        guard let row = index.row(key) else {
            throw SettingError("--\(parts[0]): \(index.unknown(key))")
        }
        let kind = index.kind(of: row)
        let values = parts.count > 1 ? [String(parts[1])] : takeValues(for: kind, &rest)
        guard !values.isEmpty else {
            throw SettingError("--\(parts[0]): expected a value after it")
        }
        // `--system_prompt '[INST] …'` is text, whatever it looks like.
        let isStructured = kind?.isStructured ?? true
        let read = try values.map { isStructured ? try structured($0) : .scalar($0, isPlain: true) }
        let value = read.count == 1 ? read[0] : .list(read)
        return WrittenSetting(name: key, value: value, place: .commandLine)
    }

    /// The arguments that belong to a key: a list takes all up to the next key, a flag may stand alone.
    private static func takeValues(for kind: SettingKind?, _ rest: inout ArraySlice<String>) -> [String] {
        var values: [String] = []
        while let next = rest.first, !next.hasPrefix("--") {
            if kind == .flag, RawValue.flag(next) == nil { break }
            values.append(next)
            rest.removeFirst()
            guard kind?.isList == true else { break }
        }
        return values.isEmpty && kind == .flag ? ["true"] : values
    }

    private static func structured(_ text: String) throws -> RawValue {
        if text.hasPrefix("[") || text.hasPrefix("{"), let value = try ConfigurationFile.parseValue(text) {
            return value
        }
        return .scalar(text, isPlain: true)
    }
}
