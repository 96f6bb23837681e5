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

    func contains(_ value: UInt32, _ traits: ScalarTraits) -> Bool {
        switch self {
        case .range(let range): range.contains(value)
        case .categories(let bits): bits >> UInt32(traits.category) & 1 == 1
        case .space: traits.isSpace
        case .word: traits.isWord
        case .any: true
        case .union(let sets): sets.contains { $0.contains(value, traits) }
        case .intersection(let sets): sets.allSatisfy { $0.contains(value, traits) }
        case .complement(let set): !set.contains(value, traits)
        }
    }

    /// Where ranges begin and what follows them: between two such places only the traits of a character count.
    var cuts: [UInt32] {
        switch self {
        case .range(let range): [range.lowerBound, range.upperBound + 1]
        case .union(let sets), .intersection(let sets): sets.flatMap(\.cuts)
        case .complement(let set): set.cuts
        default: []
        }
    }

    /// What `\p{…}` names; nil where it is not known.
    init?(property name: String) {
        let name = name.lowercased().filter { $0 != " " && $0 != "_" && $0 != "-" }
        if name == "han" {
            self = .union(Self.han.map(Self.range))
        } else if name == "any" {
            self = .any
        } else if let bits = ScalarTraits.categories(named: name) {
            self = .categories(bits)
        } else {
            return nil
        }
    }

    /// `\w` within brackets, where Oniguruma does not count the numbers of Latin-1.
    static let wordWithinSet = Self.intersection(
        [.word, .complement(.union([0xB2...0xB3, 0xB9...0xB9, 0xBC...0xBE].map(Self.range)))])

    /// `\d`
    static var digit: Self { .categories(ScalarTraits.categories(named: "nd") ?? 0) }

    /// The script Han of Unicode 16.
    private static let han: [ClosedRange<UInt32>] = [
        0x2E80...0x2E99, 0x2E9B...0x2EF3, 0x2F00...0x2FD5, 0x3005...0x3005, 0x3007...0x3007, 0x3021...0x3029,
        0x3038...0x303B, 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xF900...0xFA6D, 0xFA70...0xFAD9, 0x16FE2...0x16FE3,
        0x16FF0...0x16FF1, 0x20000...0x2A6DF, 0x2A700...0x2B739, 0x2B740...0x2B81D, 0x2B820...0x2CEA1,
        0x2CEB0...0x2EBE0, 0x2EBF0...0x2EE5D, 0x2F800...0x2FA1D, 0x30000...0x3134A, 0x31350...0x323AF,
    ]
}
