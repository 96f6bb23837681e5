/// A part of a pattern as it is written. Flags are applied later: those for the whole pattern are known only when all of
/// it is read.
indirect enum PatternNode {
    case one(PatternUnit)
    case place(PatternPlace)
    /// The widths are those of the group that is referred to.
    case reference(group: Int, PatternWidth)
    /// A group that is captured where it has a number, with the flags that it switches on and off.
    case group(Int?, adding: PythonPattern.Flags, removing: PythonPattern.Flags, [PatternNode])
    case branch([[PatternNode]])
    case conditional(group: Int, [PatternNode], otherwise: [PatternNode])
    /// Looks at the text so many code points before: none for a lookahead.
    case look(behind: Int, isNegative: Bool, [PatternNode])
    case atomic([PatternNode])
    case repetition(PatternCount, [PatternNode])
}

/// Something that matches exactly one code point.
enum PatternUnit: Equatable {
    case any
    case literal(UInt32)
    case notLiteral(UInt32)
    case set([PatternItem], isNegated: Bool)
}

/// A member of a set.
enum PatternItem: Equatable {
    case literal(UInt32)
    case range(UInt32, UInt32)
    case category(PatternCategory, isNegated: Bool)
}

enum PatternCategory {
    case digit
    case space
    case word
}

/// Something that matches between code points.
enum PatternPlace {
    /// `^`
    case beginning
    /// `$`
    case end
    /// `\A`
    case textStart
    /// `\Z`
    case textEnd
    /// `\b`
    case boundary
    /// `\B`
    case notBoundary
}

/// How often something is repeated, and what is tried first.
struct PatternCount {
    enum Mode {
        case greedy
        case lazy
        case possessive
    }

    var range: ClosedRange<Int>
    var mode: Mode

    var minimum: Int { range.lowerBound }
    /// `Int.max` for as often as possible.
    var maximum: Int { range.upperBound }
}

/// How many code points something matches, as Python reckons it. Sums and products stop at `Int.max`.
struct PatternWidth: Equatable {
    var minimum: Int
    var maximum: Int

    init(minimum: Int, maximum: Int) {
        self.minimum = minimum
        self.maximum = maximum
    }

    /// The width of any of these.
    init(anyOf widths: [Self]) {
        minimum = widths.map(\.minimum).min() ?? 0
        maximum = widths.map(\.maximum).max() ?? 0
    }

    static let none = PatternWidth(minimum: 0, maximum: 0)
    static let one = PatternWidth(minimum: 1, maximum: 1)

    static func + (left: Self, right: Self) -> Self {
        PatternWidth(minimum: sum(left.minimum, right.minimum), maximum: sum(left.maximum, right.maximum))
    }

    static func * (left: Self, count: PatternCount) -> Self {
        PatternWidth(minimum: product(left.minimum, count.minimum), maximum: product(left.maximum, count.maximum))
    }

    private static func sum(_ left: Int, _ right: Int) -> Int {
        let (sum, isTooLarge) = left.addingReportingOverflow(right)
        return isTooLarge ? .max : sum
    }

    private static func product(_ left: Int, _ right: Int) -> Int {
        let (product, isTooLarge) = left.multipliedReportingOverflow(by: right)
        return isTooLarge ? .max : product
    }
}

extension [PatternNode] {
    /// The width of all of these, one after the other.
    var width: PatternWidth { reduce(.none) { $0 + $1.width } }
}

extension PatternNode {
    var width: PatternWidth {
        switch self {
        case .one: .one
        case .place, .look: .none
        case .reference(_, let width): width
        case .group(_, _, _, let nodes), .atomic(let nodes): nodes.width
        case .branch(let ways): PatternWidth(anyOf: ways.map(\.width))
        case .conditional(_, let nodes, let otherwise): PatternWidth(anyOf: [nodes.width, otherwise.width])
        case .repetition(let count, let nodes): nodes.width * count
        }
    }

    /// The one unit that this is, with the flags it stands under, where Python repeats it without a loop of its own.
    func unit(_ flags: PythonPattern.Flags) -> (PatternUnit, PythonPattern.Flags)? {
        switch self {
        case .one(let unit): (unit, flags)
        case .group(nil, let added, let removed, let nodes) where nodes.count == 1:
            nodes[0].unit(flags.changed(adding: added, removing: removed))
        default: nil
        }
    }
}

extension [PatternNode] {
    /// What CPython lets `re.search` look for before it tries to match, where there is something. It asks with the flags
    /// for the whole pattern, though others may be in force where it stands, and that is part of what it decides.
    func start(_ flags: PythonPattern.Flags) -> PatternSet? {
        guard width.minimum > 0, let items = firstLiteral(flags) ?? firstSet(flags) else { return nil }
        return PatternSet(items.items, isNegated: items.isNegated, flags: flags.subtracting(.ignoreCase))
    }

    private func firstLiteral(_ flags: PythonPattern.Flags) -> (items: [PatternItem], isNegated: Bool)? {
        for node in self {
            switch node {
            case .one(.literal(let value)) where !PatternCasing(flags).folds(value): return ([.literal(value)], false)
            case .group(_, let added, let removed, let nodes):
                if let found = nodes.firstLiteral(flags.changed(adding: added, removing: removed)) { return found }
                guard nodes.isEmpty else { return nil }
            default: return nil
            }
        }
        return nil
    }

    private func firstSet(_ flags: PythonPattern.Flags) -> (items: [PatternItem], isNegated: Bool)? {
        switch first {
        case .group(_, let added, let removed, let nodes):
            return nodes.firstSet(flags.changed(adding: added, removing: removed))
        case .one(.set(let items, let isNegated)):
            return items.contains { PatternCasing(flags).folds($0) } ? nil : (items, isNegated)
        case .branch(let ways):
            let literals = ways.compactMap { way -> PatternItem? in
                if case .one(.literal(let value))? = way.first, !PatternCasing(flags).folds(value) {
                    .literal(value)
                } else {
                    nil
                }
            }
            return literals.count == ways.count ? (literals, false) : nil
        default: return nil
        }
    }
}

extension PythonPattern.Flags {
    /// ASCII and Unicode replace each other.
    func changed(adding added: Self, removing removed: Self) -> Self {
        let types: Self = [.ascii, .unicode]
        return (added.isDisjoint(with: types) ? self : subtracting(types)).union(added).subtracting(removed)
    }
}
