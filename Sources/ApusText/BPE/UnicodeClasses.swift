/// What the split patterns ask about a scalar: `\p{L}`, `\p{N}`, `\s`, or none of them.
enum ScalarClass: UInt8 {
    case other, letter, number, space

    init(_ scalar: Unicode.Scalar) {
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter:
            self = scalar.isKnown(.expressions) ? .letter : .other
        case .decimalNumber, .letterNumber, .otherNumber: self = scalar.isKnown(.expressions) ? .number : .other
        default: self = scalar.properties.isWhitespace ? .space : .other
        }
    }
}

/// The classes of the first two planes in a two-stage table; the planes above, rare in text, are looked up each time.
struct UnicodeClasses: Sendable {
    static let shared = UnicodeClasses()
    private static let tabulated: UInt32 = 0x20000

    /// The index of the block of 256 scalars, by the scalar's high bits.
    private var blockIndex: [UInt16] = []
    private var blocks: [ScalarClass] = []

    private init() {
        var seen: [[ScalarClass]: UInt16] = [:]
        for first in stride(from: 0, to: Self.tabulated, by: 256) {
            let block = (first..<(first + 256)).map { value in
                Unicode.Scalar(value).map(ScalarClass.init) ?? .other
            }
            if let index = seen[block] {
                blockIndex.append(index)
            } else {
                let index = UInt16(seen.count)
                seen[block] = index
                blockIndex.append(index)
                blocks += block
            }
        }
    }

    subscript(value: UInt32) -> ScalarClass {
        guard value < Self.tabulated else { return Unicode.Scalar(value).map(ScalarClass.init) ?? .other }
        return blocks[Int(blockIndex[Int(value >> 8)]) << 8 | Int(value & 0xFF)]
    }
}
