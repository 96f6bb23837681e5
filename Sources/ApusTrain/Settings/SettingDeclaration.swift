package import ApusData

/// One setting of a type of settings, declared once: its key, what it accepts, what it means, where its name comes from, what
/// a change means to a continuation, and where its value lies.
public struct SettingDeclaration<Settings: Sendable>: Sendable {
    /// What is known of it.
    package private(set) var facts: SettingFacts
    /// Its value's JSON form.
    package let read: @Sendable (Settings) -> JSONValue
    /// Sets its value; false where the JSON is of another kind.
    package let write: @Sendable (inout Settings, JSONValue) -> Bool

    /// Declares a setting whose value lies at a path.
    package init<Value: SettingValue>(
        _ key: String, _ path: any WritableKeyPath<Settings, Value> & Sendable, _ kind: SettingKind, _ meaning: String
    ) {
        facts = SettingFacts(key: key, kind: kind, meaning: meaning)
        read = { $0[keyPath: path].setting }
        write = { settings, json in
            guard let value = Value(setting: json) else { return false }
            settings[keyPath: path] = value
            return true
        }
    }

    /// The same of a name that is not TRL's.
    package func from(_ origin: SettingOrigin) -> Self { changed { $0.origin = origin } }

    /// The same, saying what a change means to a continuation; another run, unless this is called.
    package func onResume(_ effect: ResumeEffect) -> Self { changed { $0.onResume = effect } }

    /// The same with another name.
    package func also(_ name: String, notice: String? = nil) -> Self {
        changed { $0.aliases.append(SettingAlias(name: name, notice: notice, isFallback: false)) }
    }

    /// The same with a name that counts where the setting itself is not given.
    package func standIn(_ name: String) -> Self {
        changed { $0.aliases.append(SettingAlias(name: name, notice: nil, isFallback: true)) }
    }

    /// The same, saying why its default is not TRL's.
    package func otherDefault(_ reason: String) -> Self { changed { $0.otherDefault = reason } }

    /// The same setting of settings that hold these.
    func within<Whole>(_ path: any WritableKeyPath<Whole, Settings> & Sendable) -> SettingDeclaration<Whole> {
        let (read, write) = (read, write)
        return SettingDeclaration<Whole>(
            facts: facts, read: { read($0[keyPath: path]) }, write: { write(&$0[keyPath: path], $1) })
    }

    private init(
        facts: SettingFacts, read: @escaping @Sendable (Settings) -> JSONValue,
        write: @escaping @Sendable (inout Settings, JSONValue) -> Bool
    ) {
        self.facts = facts
        self.read = read
        self.write = write
    }

    private func changed(_ change: (inout SettingFacts) -> Void) -> Self {
        var copy = self
        change(&copy.facts)
        return copy
    }

    /// These settings in a chapter of the reference.
    package static func `in`(_ section: SettingSection, _ declarations: [Self]) -> [Self] {
        declarations.map { declaration in declaration.changed { $0.section = section } }
    }
}

extension SettingDeclaration {
    /// Where a setting's value lies.
    package typealias Path<Value> = any WritableKeyPath<Settings, Value> & Sendable

    /// A whole number.
    package static func integer(
        _ key: String, _ path: Path<Int>, _ bounds: NumberBounds, _ meaning: String
    ) -> Self { Self(key, path, .integer(bounds), meaning) }

    /// A whole number, or null.
    package static func optionalInteger(
        _ key: String, _ path: Path<Int?>, _ bounds: NumberBounds, _ meaning: String
    ) -> Self { Self(key, path, .integer(bounds), meaning) }

    /// A number.
    package static func number(
        _ key: String, _ path: Path<Double>, _ bounds: NumberBounds, _ meaning: String
    ) -> Self { Self(key, path, .number(bounds), meaning) }

    /// A number, or null.
    package static func optionalNumber(
        _ key: String, _ path: Path<Double?>, _ bounds: NumberBounds, _ meaning: String
    ) -> Self { Self(key, path, .number(bounds), meaning) }

    /// True or false.
    package static func flag(_ key: String, _ path: Path<Bool>, _ meaning: String) -> Self {
        Self(key, path, .flag, meaning)
    }

    /// Text.
    package static func text(_ key: String, _ path: Path<String>, _ meaning: String) -> Self {
        Self(key, path, .text, meaning)
    }

    /// Text, or null.
    package static func optionalText(_ key: String, _ path: Path<String?>, _ meaning: String) -> Self {
        Self(key, path, .text, meaning)
    }

    /// A path.
    package static func path(_ key: String, _ path: Path<String>, _ meaning: String) -> Self {
        Self(key, path, .path, meaning)
    }

    /// A path, or null.
    package static func optionalPath(_ key: String, _ path: Path<String?>, _ meaning: String) -> Self {
        Self(key, path, .path, meaning)
    }

    /// One of a few words.
    package static func choice<Value: SettingChoice>(
        _ key: String, _ path: Path<Value>, _ meaning: String
    ) -> Self { Self(key, path, Value.kind, meaning) }
}
