/// A whole number that is kept as it is written, since no machine word holds it: JSON sets no bound to integers, and what
/// is only passed on must arrive whole.
public struct BigInteger: Sendable, Hashable, LosslessStringConvertible {
    /// The decimal digits, after a minus where it is negative.
    public let description: String

    /// What Python reads at most, where the numbers go; no file means a longer one.
    private static let digitLimit = 4300

    /// The number that the text spells as JSON spells integers; nil for other text and above 4300 digits.
    public init?(_ description: String) {
        let digits = description.utf8.drop { $0 == UInt8(ascii: "-") }
        guard !digits.isEmpty, digits.count <= Self.digitLimit, description.utf8.count - digits.count <= 1,
            digits.allSatisfy({ 0x30...0x39 ~= $0 }), digits.count == 1 || digits.first != UInt8(ascii: "0")
        else { return nil }
        self.description = description
    }

    /// The nearest double; infinite beyond all of them.
    public var nearest: Double { Double(description) ?? .nan }
}
