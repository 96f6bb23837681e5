import Apus

/// docs/configuration.md, made from the table of settings.
struct ConfigurationReference {
    private let defaults: [String: JSONValue]
    private let rows: [Setting]

    init() {
        defaults = SettingTable.defaults
        rows = SettingTable.rows
    }

    /// The whole page in Markdown.
    var page: String {
        let chapters =
            [ReferenceText.introduction] + ReferenceText.sections.map(chapter)
            + [otherDefaults, accepted, refused]
        return chapters.joined(separator: "\n")
    }

    private func chapter(_ section: ReferenceSection) -> String {
        let facts = rows.compactMap { SettingTable.facts[$0.name] }.filter { $0.section == section.section }
        let table = MarkdownTable(
            ["key", "type", "default", "from", "meaning"],
            facts.map { facts in
                [
                    "`\(facts.key)`", facts.kind.name, shownDefault(of: facts.key), facts.origin.rawValue,
                    facts.meaning + otherNames(of: facts),
                ]
            })
        return ["## \(section.section.rawValue)\n", section.before, table.text, section.after].filter { !$0.isEmpty }
            .joined(separator: "\n") + (section.after.isEmpty ? "" : "\n")
    }

    private func shownDefault(of key: String) -> String {
        switch defaults[key] ?? .null {
        case .null: "null"
        case .bool(let flag): "\(flag)"
        case .integer(let number): "\(number)"
        case .number(let number): compact(number)
        case .bigInteger(let number): "\(number)"
        case .string(let text): text
        case .array(let items): items.compactMap(\.string).joined(separator: ", ")
        case .object: "{}"
        }
    }

    /// Names that mean the same key, and those that stand in for it.
    private func otherNames(of facts: SettingFacts) -> String {
        func list(_ isFallback: Bool) -> String {
            facts.aliases.filter { $0.isFallback == isFallback }.map { "`\($0.name)`" }.joined(separator: ", ")
        }
        let (others, standIns) = (list(false), list(true))
        return (others.isEmpty ? "" : ". Also " + others)
            + (standIns.isEmpty ? "" : ". \(standIns) counts when none of these is given")
    }

    private var otherDefaults: String {
        let table = MarkdownTable(
            ["key", "why"],
            SettingTable.otherDefaults.sorted { $0.key < $1.key }.map { ["`\($0.key)`", $0.value] })
        return ReferenceText.otherDefaults + "\n" + table.text
    }

    private var accepted: String {
        var groups = RowGroups()
        for row in rows {
            switch row.treatment {
            case .ignored(_, let notice): groups.add(row.name, [notice])
            case .parameters: groups.add(row.name, [ReferenceText.parameters])
            case .family(_, _, let notice, let reason):
                groups.add(row.name, ["\(notice); otherwise refused: \(reason)"])
            default: break
            }
        }
        return ReferenceText.accepted + "\n" + MarkdownTable(["key", "what Apus says"], groups.rows).text
    }

    private var refused: String {
        var groups = RowGroups()
        for row in rows {
            guard case .refused(let unless, let reason) = row.treatment else { continue }
            let words = unless.filter { !$0.isEmpty && $0 != "[]" }.map { "`\($0)`" }.joined(separator: ", ")
            groups.add(row.name, [words.isEmpty ? "null" : words, reason])
        }
        return ReferenceText.refused + "\n" + MarkdownTable(["key", "accepted only as", "why"], groups.rows).text
    }
}

/// Keys that are told the same thing share a row, in the order in which they come.
private struct RowGroups {
    private var groups: [(names: [String], cells: [String])] = []

    mutating func add(_ name: String, _ cells: [String]) {
        if let index = groups.firstIndex(where: { $0.cells == cells }) {
            groups[index].names.append("`\(name)`")
        } else {
            groups.append((["`\(name)`"], cells))
        }
    }

    var rows: [[String]] { groups.map { [$0.names.joined(separator: ", ")] + $0.cells } }
}
