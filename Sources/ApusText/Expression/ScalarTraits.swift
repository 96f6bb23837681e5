/// What sets of characters ask about one beside its number: its general category and whether it is `\s` or `\w`.
struct ScalarTraits: Sendable {
    /// How many different ones there may be.
    static let count = 128

    /// Below `count`.
    let number: UInt8
    var category: UInt8 { number & 0x1F }
    var isSpace: Bool { number & 0x20 != 0 }
    var isWord: Bool { number & 0x40 != 0 }

    init(number: UInt8) { self.number = number }

    init(_ value: UInt32) {
        guard let scalar = Unicode.Scalar(value) else {
            number = Self.surrogate
            return
        }
        number =
            Self.category(scalar) | (scalar.properties.isWhitespace ? 0x20 : 0)
            | (scalar.isWordInExpression ? 0x40 : 0)
    }

    private static let names = [
        "lu", "ll", "lt", "lm", "lo", "mn", "mc", "me", "nd", "nl", "no", "pc", "pd", "ps", "pe", "pi", "pf", "po",
        "sm", "sc", "sk", "so", "zs", "zl", "zp", "cc", "cf", "cs", "co", "cn",
    ]
    private static let longNames = [
        "letter": "l", "mark": "m", "number": "n", "punctuation": "p", "symbol": "s", "separator": "z", "other": "c",
    ]

    /// The categories that a name stands for, such as "lu", "l" or "letter".
    static func categories(named name: String) -> UInt32? {
        let name = longNames[name] ?? name
        let bits = names.enumerated().filter { $0.element == name || $0.element.prefix(1) == name }
            .reduce(UInt32(0)) { $0 | 1 << UInt32($1.offset) }
        return bits == 0 ? nil : bits
    }

    private static let surrogate: UInt8 = 27
    private static let unassigned: UInt8 = 29

    private static func category(_ scalar: Unicode.Scalar) -> UInt8 {
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

/// The traits of the first two planes in blocks of 256, of which many are the same.
struct TraitsTable: Sendable {
    static let shared = TraitsTable()
    static let tabulated: UInt32 = 0x20000

    /// The number of the block by a character's high bits.
    private(set) var blockIndex: [Int] = []
    private var blocks: [UInt8] = []

    private init() {
        var seen: [[UInt8]: Int] = [:]
        for first in stride(from: 0, to: Self.tabulated, by: 256) {
            let block = (first..<first + 256).map { ScalarTraits($0).number }
            if seen[block] == nil {
                seen[block] = seen.count
                blocks += block
            }
            blockIndex.append(seen[block] ?? 0)
        }
    }

    subscript(value: UInt32) -> ScalarTraits {
        guard value < Self.tabulated else { return ScalarTraits(value) }
        return ScalarTraits(number: blocks[blockIndex[Int(value >> 8)] << 8 | Int(value & 0xFF)])
    }
}
