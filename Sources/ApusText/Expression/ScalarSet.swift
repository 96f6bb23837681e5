/// A set of characters as an expression describes it.
indirect enum ScalarSet: Hashable, Sendable {
    case range(ClosedRange<UInt32>)
    /// A bit for each of Unicode's general categories.
    case categories(UInt32)
    /// `\s`
    case space
    /// `\w`
    case word
    case any
    case union([ScalarSet])
    case intersection([ScalarSet])
    case complement(ScalarSet)

    static func scalar(_ value: UInt32) -> Self { .range(value...value) }

    func contains(_ value: UInt32, category: UInt8, isSpace: Bool) -> Bool {
        switch self {
        case .range(let range): range.contains(value)
        case .categories(let bits): bits >> UInt32(category) & 1 == 1
        case .space: isSpace
        case .word: Unicode.Scalar(value)?.isWordInExpression ?? false
        case .any: true
        case .union(let sets): sets.contains { $0.contains(value, category: category, isSpace: isSpace) }
        case .intersection(let sets): sets.allSatisfy { $0.contains(value, category: category, isSpace: isSpace) }
        case .complement(let set): !set.contains(value, category: category, isSpace: isSpace)
        }
    }

    /// The first characters inside and behind the ranges that the set is made of.
    func insertBounds(into bounds: inout Set<UInt32>) {
        switch self {
        case .range(let range):
            bounds.insert(range.lowerBound)
            bounds.insert(range.upperBound + 1)
        case .union(let sets), .intersection(let sets): for set in sets { set.insertBounds(into: &bounds) }
        case .complement(let set): set.insertBounds(into: &bounds)
        case .categories, .space, .word, .any: break
        }
    }

    /// Whether more of a character counts than its range, its category and whether it is space.
    var dependsOnCharacter: Bool {
        switch self {
        case .word: true
        case .union(let sets), .intersection(let sets): sets.contains(where: \.dependsOnCharacter)
        case .complement(let set): set.dependsOnCharacter
        case .range, .categories, .space, .any: false
        }
    }

    /// What `\p{…}` names; nil where it is not known.
    init?(property name: String) {
        let name = name.lowercased().filter { $0 != " " && $0 != "_" && $0 != "-" }
        if name == "han" {
            self = .union(Self.han.map(Self.range))
        } else if name == "any" {
            self = .any
        } else if let bits = GeneralCategories.bits(named: name) {
            self = .categories(bits)
        } else {
            return nil
        }
    }

    /// `\d`
    static let digit = Self.categories(GeneralCategories.bits(named: "nd") ?? 0)

    /// The script Han of Unicode 16.
    private static let han: [ClosedRange<UInt32>] = [
        0x2E80...0x2E99, 0x2E9B...0x2EF3, 0x2F00...0x2FD5, 0x3005...0x3005, 0x3007...0x3007, 0x3021...0x3029,
        0x3038...0x303B, 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xF900...0xFA6D, 0xFA70...0xFAD9, 0x16FE2...0x16FE3,
        0x16FF0...0x16FF1, 0x20000...0x2A6DF, 0x2A700...0x2B739, 0x2B740...0x2B81D, 0x2B820...0x2CEA1,
        0x2CEB0...0x2EBE0, 0x2EBF0...0x2EE5D, 0x2F800...0x2FA1D, 0x30000...0x3134A, 0x31350...0x323AF,
    ]
}

/// Unicode's general categories by number, for the first two planes in a table.
struct GeneralCategories: Sendable {
    static let shared = GeneralCategories()
    static let tabulated: UInt32 = 0x20000
    private static let names = [
        "lu", "ll", "lt", "lm", "lo", "mn", "mc", "me", "nd", "nl", "no", "pc", "pd", "ps", "pe", "pi", "pf", "po",
        "sm", "sc", "sk", "so", "zs", "zl", "zp", "cc", "cf", "cs", "co", "cn",
    ]
    private static let longNames = [
        "letter": "l", "mark": "m", "number": "n", "punctuation": "p", "symbol": "s", "separator": "z", "other": "c",
    ]

    private let table: [UInt8]

    private init() {
        table = (0..<Self.tabulated).map { Unicode.Scalar($0).map(Self.number) ?? Self.surrogate }
    }

    subscript(value: UInt32) -> UInt8 {
        value < Self.tabulated ? table[Int(value)] : Unicode.Scalar(value).map(Self.number) ?? Self.surrogate
    }

    /// Whether a character is white space: separators are, and some controls; no other category needs a look.
    static func isSpace(_ value: UInt32, _ category: UInt8) -> Bool {
        guard (22...25).contains(category) || category == unassigned else { return false }
        return Unicode.Scalar(value)?.properties.isWhitespace ?? false
    }

    /// The categories that a name stands for, such as "lu", "l" or "letter".
    static func bits(named name: String) -> UInt32? {
        let name = longNames[name] ?? name
        let bits = names.enumerated().filter { $0.element == name || $0.element.prefix(1) == name }
            .reduce(UInt32(0)) { $0 | 1 << UInt32($1.offset) }
        return bits == 0 ? nil : bits
    }

    private static let surrogate: UInt8 = 27
    private static let unassigned: UInt8 = 29

    private static func number(_ scalar: Unicode.Scalar) -> UInt8 {
        guard scalar.isKnown(.expressions) else { return unassigned }
        // A small letter until Unicode 17.
        if scalar.value == 0x295 { return 1 }
        return switch scalar.properties.generalCategory {
        case .uppercaseLetter: 0
        case .lowercaseLetter: 1
        case .titlecaseLetter: 2
        case .modifierLetter: 3
        case .otherLetter: 4
        case .nonspacingMark: 5
        case .spacingMark: 6
        case .enclosingMark: 7
        case .decimalNumber: 8
        case .letterNumber: 9
        case .otherNumber: 10
        case .connectorPunctuation: 11
        case .dashPunctuation: 12
        case .openPunctuation: 13
        case .closePunctuation: 14
        case .initialPunctuation: 15
        case .finalPunctuation: 16
        case .otherPunctuation: 17
        case .mathSymbol: 18
        case .currencySymbol: 19
        case .modifierSymbol: 20
        case .otherSymbol: 21
        case .spaceSeparator: 22
        case .lineSeparator: 23
        case .paragraphSeparator: 24
        case .control: 25
        case .format: 26
        case .surrogate: surrogate
        case .privateUse: 28
        case .unassigned: unassigned
        @unknown default: unassigned
        }
    }
}
