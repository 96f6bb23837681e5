import Apus

/// Settings by their own names, in their own types, with the notices that getting there gave.
struct SettingResolution {
    /// A value with the place it came from.
    struct Assignment {
        var value: JSONValue
        var written: WrittenSetting
    }

    private(set) var trainer: [String: Assignment] = [:]
    private(set) var run: [String: Assignment] = [:]
    /// What was accepted without effect or with another meaning, one line for each reason.
    private(set) var notices: [String] = []

    private var noted: [(notice: String, names: [String])] = []
    private let index: SettingIndex

    /// Lays the layers over each other, the last one on top.
    ///
    /// - Throws: `SettingError` for the first setting that is unknown, refused, of the wrong type or given twice.
    init(layers: [[WrittenSetting]], index: SettingIndex = SettingTable.index) throws {
        self.index = index
        for layer in layers {
            var names: [String: WrittenSetting] = [:]
            let fallbacks = try layer.filter { try !assign($0, &names) }
            for setting in fallbacks { try assignFallback(setting, &names) }
        }
        notices = noted.map { "\($0.names.joined(separator: ", ")): \($0.notice)" }
    }

    /// Handles one setting; false when it only counts in the absence of another.
    private mutating func assign(_ setting: WrittenSetting, _ names: inout [String: WrittenSetting]) throws -> Bool {
        let key = SettingTable.canonicalSpelling(setting.name)
        guard let row = index.row(key) else {
            throw SettingError(setting, index.unknown(key))
        }
        return try assign(setting, key, row, &names)
    }

    /// Handles one setting as its row says; false when it only counts in the absence of another.
    private mutating func assign(
        _ setting: WrittenSetting, _ key: String, _ row: Setting, _ names: inout [String: WrittenSetting]
    ) throws -> Bool {
        switch row.treatment {
        case .trainer, .run:
            if let share = Self.quantile(setting, row), let row = index.row("max_prompt_quantile") {
                try store(share, as: row, &names)
            } else {
                try store(setting, as: row, &names)
            }
        case .parameters(let rows): try assignParameters(of: setting, rows(), &names)
        case .alias(let name, let notice):
            try index.row(name).map { try store(setting, as: $0, &names) }
            if let notice, !setting.value.isNull { note(key, notice) }
        case .fallback: return false
        case .ignored(let unless, let notice):
            if !setting.value.isAmong(unless) { note(key, notice) }
        case .family(let part, let unless, let notice, let reason):
            if setting.value.isAmong(unless) { break }
            guard case .scalar(let text, _) = setting.value, text.contains(part) else {
                throw SettingError(setting, "\(setting.value.shown) is refused: \(reason)")
            }
            note(key, "\(notice) (for \(text))")
        case .refused(let unless, let reason):
            if !setting.value.isAmong(unless) {
                throw SettingError(setting, "\(setting.value.shown) is refused: \(reason)")
            }
        }
        return true
    }

    /// `max_prompt_length: p90` is a share of the data, which has a key of its own.
    private static func quantile(_ setting: WrittenSetting, _ row: Setting) -> WrittenSetting? {
        guard row.name == "max_prompt_length", case .scalar(let text, _) = setting.value, text.hasPrefix("p"),
            let percent = RawValue.number(String(text.dropFirst()))
        else { return nil }
        return WrittenSetting(
            name: setting.name, value: .scalar("\(percent / 100)", isPlain: true), place: setting.place)
    }

    /// Handles each parameter of a mapping as a setting of its own.
    private mutating func assignParameters(
        of setting: WrittenSetting, _ rows: SettingIndex, _ names: inout [String: WrittenSetting]
    ) throws {
        if setting.value.isNull { return }
        guard case .map(let entries) = setting.value else {
            throw SettingError(setting, "expected \(SettingKind.mapping.rule), found \(setting.value.shown)")
        }
        for entry in entries {
            let name = "\(setting.name).\(entry.key)"
            // What vLLM calls all tokens.
            let value = entry.key == "top_k" && entry.value.isAmong(["-1"]) ? .scalar("0", isPlain: true) : entry.value
            let parameter = WrittenSetting(name: name, value: value, place: setting.place)
            guard let row = rows.row(entry.key) else {
                throw SettingError(parameter, "no sampling parameter that is known here")
            }
            _ = try assign(parameter, name, row, &names)
        }
    }

    private mutating func store(
        _ setting: WrittenSetting, as row: Setting, _ names: inout [String: WrittenSetting]
    ) throws {
        // Of a key that a command line repeats the last one counts, as everywhere; in a file it is a slip.
        if let other = names.updateValue(setting, forKey: row.name), other.value != setting.value,
            setting.place != .commandLine || other.name != setting.name
        {
            throw SettingError(
                setting, "\(setting.value.shown) contradicts \(other.label) \(other.value.shown); keep one of them")
        }
        // "Nothing" means the default: in every setting that can be nothing, that is the default.
        if setting.value.isNull {
            trainer[row.name] = nil
            run[row.name] = nil
            return
        }
        guard let kind = index.kind(of: row), let value = kind.value(of: setting.value) else {
            throw SettingError(
                setting, "expected \(index.kind(of: row)?.rule ?? "a value"), found \(setting.value.shown)")
        }
        let assignment = Assignment(value: value, written: setting)
        if case .trainer = row.treatment { trainer[row.name] = assignment } else { run[row.name] = assignment }
    }

    /// A setting that stands in for another counts unless the same layer gives that other one.
    private mutating func assignFallback(
        _ setting: WrittenSetting, _ names: inout [String: WrittenSetting]
    ) throws {
        guard case .fallback(let name)? = index.row(SettingTable.canonicalSpelling(setting.name))?.treatment,
            let row = index.row(name)
        else { return }
        if let given = names[name] {
            if given.value != setting.value { note(setting.name, "\(given.name) is given too and counts") }
        } else {
            try store(setting, as: row, &names)
        }
    }

    private mutating func note(_ name: String, _ notice: String) {
        if let index = noted.firstIndex(where: { $0.notice == notice }) {
            if !noted[index].names.contains(name) { noted[index].names.append(name) }
        } else {
            noted.append((notice, [name]))
        }
    }
}

extension RawValue {
    /// Whether the value is nothing or one of these words.
    fileprivate func isAmong(_ words: [String]) -> Bool {
        if isNull { return true }
        switch self {
        case .scalar(let text, _):
            return words.contains(text) || RawValue.flag(text).map { words.contains(String($0)) } == true
        case .list(let items): return items.isEmpty && words.contains("[]")
        case .map(let entries): return entries.isEmpty
        }
    }
}

extension DeclaredSettings {
    /// The defaults with resolved values laid over them; keys of others are left out.
    ///
    /// - Throws: `SettingError` for a number out of its bounds, with the place where it is written.
    init(_ values: [String: SettingResolution.Assignment]) throws {
        self.init()
        for declaration in Self.declarations {
            guard let assignment = values[declaration.facts.key] else { continue }
            guard declaration.write(&self, assignment.value) else {
                throw SettingError(assignment.written, "expected \(declaration.facts.kind.rule)")
            }
            guard let (number, rule) = declaration.facts.kind.fault(of: assignment.value) else { continue }
            throw SettingError(assignment.written, "\(rule), found \(declaration.facts.kind.text(number))")
        }
    }
}
