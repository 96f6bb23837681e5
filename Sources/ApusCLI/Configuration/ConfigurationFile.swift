import Foundation
import Yams

/// Reads a YAML file into settings that remember their line.
enum ConfigurationFile {
    /// - Throws: `SettingError` when the file cannot be read, is not YAML, or is not a flat mapping.
    static func read(path: String) throws -> [WrittenSetting] {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw SettingError("\(path): no such configuration file, or it cannot be read")
        }
        guard let text = String(validating: data, as: UTF8.self) else {
            throw SettingError("\(path): is not UTF-8 text")
        }
        return try parse(text, name: (path as NSString).lastPathComponent)
    }

    /// - Parameter name: what to call the file in messages.
    static func parse(_ text: String, name: String) throws -> [WrittenSetting] {
        guard let root = try compose(text, name: name) else { return [] }
        guard case .mapping(let mapping) = root else {
            throw SettingError("\(name): expected lines of 'name: value', found something else at the top")
        }
        return try mapping.map { key, value in
            let place = WrittenSetting.Place.file(name, line: key.mark?.line)
            guard case .scalar(let scalar) = key else {
                throw SettingError("\(name):\(key.mark?.line ?? 1): a setting's name must be plain text")
            }
            return WrittenSetting(name: scalar.string, value: try raw(value), place: place)
        }
    }

    /// A value of the command line that is written as a YAML list or mapping, such as `[a, b]` or `{top_k: 5}`.
    static func parseValue(_ text: String) throws -> RawValue? {
        try compose(text, name: "command line").map(raw)
    }

    private static func compose(_ text: String, name: String) throws -> Node? {
        do {
            return try Yams.compose(yaml: text)
        } catch YamlError.scanner(_, let problem, let mark, _), YamlError.parser(_, let problem, let mark, _),
            YamlError.composer(_, let problem, let mark, _)
        {
            throw SettingError("\(name):\(mark.line): \(problem)")
        } catch YamlError.duplicatedKeysInMapping(let duplicates, let context) {
            let names = duplicates.joined(separator: ", ")
            throw SettingError("\(name):\(context.mark.line): \(names) is set twice; keep one")
        } catch {
            throw SettingError("\(name): is not YAML: \(error)")
        }
    }

    private static func raw(_ node: Node) throws -> RawValue {
        switch node {
        case .scalar(let scalar):
            return .scalar(scalar.string, isPlain: scalar.style == .plain || scalar.style == .any)
        case .sequence(let sequence):
            return .list(try sequence.map(raw))
        case .mapping(let mapping):
            return .map(try mapping.map { key, value in RawValue.Entry(key: key.string ?? "", value: try raw(value)) })
        case .alias(let alias):
            throw SettingError("YAML alias '\(alias.anchor)' has no anchor")
        }
    }
}
