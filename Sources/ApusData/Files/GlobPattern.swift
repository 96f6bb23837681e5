/// A pattern for paths: `*` and `?` stand for characters of one part, `[a-z]` for one of a set, `**` for any number of parts.
struct GlobPattern: Sendable {
    private enum Element: Sendable {
        case character(Character)
        case any
        case anyRun
        case set([ClosedRange<Character>], isNegated: Bool)
    }

    private enum Part: Sendable {
        case name([Element])
        case anyParts
    }

    private let parts: [Part]

    /// Whether a path is a pattern, and not just a name.
    static func isPattern(_ path: some StringProtocol) -> Bool { path.contains { "*?[".contains($0) } }

    init(_ pattern: String) {
        parts = pattern.split(separator: "/").filter { $0 != "." }.map {
            $0 == "**" ? .anyParts : .name(Self.elements($0))
        }
    }

    /// Whether a path with `/` between its parts is one of those that the pattern means.
    func matches(_ path: String) -> Bool {
        let names = path.split(separator: "/").map(Array.init)
        // reachable[n]: whether the parts of the pattern so far cover the first n names.
        var reachable = [Bool](repeating: false, count: names.count + 1)
        reachable[0] = true
        for part in parts {
            var next = [Bool](repeating: false, count: names.count + 1)
            switch part {
            case .anyParts:
                var isCovered = false
                for index in reachable.indices {
                    isCovered = isCovered || reachable[index]
                    next[index] = isCovered
                }
            case .name(let elements):
                for (index, name) in names.enumerated() where reachable[index] {
                    next[index + 1] = Self.matches(elements, name)
                }
            }
            reachable = next
        }
        return reachable[names.count]
    }

    /// The same table over characters: no pattern makes it slow.
    private static func matches(_ elements: [Element], _ name: [Character]) -> Bool {
        var reachable = [Bool](repeating: false, count: name.count + 1)
        reachable[0] = true
        for element in elements {
            var next = [Bool](repeating: false, count: name.count + 1)
            if case .anyRun = element {
                var isCovered = false
                for index in reachable.indices {
                    isCovered = isCovered || reachable[index]
                    next[index] = isCovered
                }
            } else {
                for (index, character) in name.enumerated() where reachable[index] {
                    next[index + 1] = matches(element, character)
                }
            }
            reachable = next
        }
        return reachable[name.count]
    }

    private static func matches(_ element: Element, _ character: Character) -> Bool {
        switch element {
        case .character(let wanted): wanted == character
        case .any, .anyRun: true
        case .set(let ranges, let isNegated): ranges.contains { $0.contains(character) } != isNegated
        }
    }

    private static func elements(_ text: Substring) -> [Element] {
        var elements: [Element] = []
        var rest = Array(text)[...]
        while let character = rest.popFirst() {
            switch character {
            case "*": elements.append(.anyRun)
            case "?": elements.append(.any)
            case "[":
                if let (set, length) = set(rest) {
                    elements.append(set)
                    rest = rest.dropFirst(length)
                } else {
                    elements.append(.character("["))
                }
            default: elements.append(.character(character))
            }
        }
        return elements
    }

    /// The set whose bracket was just opened, and how long it is; nil where nothing closes it.
    private static func set(_ text: ArraySlice<Character>) -> (Element, length: Int)? {
        let isNegated = text.first == "!" || text.first == "^"
        let members = isNegated ? text.dropFirst() : text
        // A bracket that comes first is one of the set.
        guard let end = members.dropFirst().firstIndex(of: "]") else { return nil }
        var ranges: [ClosedRange<Character>] = []
        var rest = members[..<end]
        while let low = rest.popFirst() {
            if rest.count >= 2, rest.first == "-", let high = rest.dropFirst().first {
                if low <= high { ranges.append(low...high) }
                rest = rest.dropFirst(2)
            } else {
                ranges.append(low...low)
            }
        }
        return (.set(ranges, isNegated: isNegated), length: end - text.startIndex + 1)
    }
}
