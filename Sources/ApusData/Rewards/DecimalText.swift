/// A decimal number in the way people write answers, reduced to one spelling so that equal numbers are equal texts.
///
/// Accepted: a sign, a currency sign before or after the minus, thousands commas in groups of three, a fraction, a full
/// stop at the end. "$1,080.50." and "1080.5" are the same number; "1,08", "2 apples" and "1e3" are no numbers.
struct DecimalText: Equatable {
    private let isNegative: Bool
    private let whole: String
    private let fraction: String

    private static let currencySigns: Set<Unicode.Scalar> = ["$", "€", "£", "¥", "₹"]

    /// Whether the number has no fractional part, so "3.0" is one.
    var isInteger: Bool { fraction.isEmpty }

    /// The one spelling that equal numbers share.
    var spelling: String { (isNegative ? "-" : "") + whole + (fraction.isEmpty ? "" : "." + fraction) }

    /// The number as a double.
    var value: Double { Double(spelling) ?? .nan }

    /// Reads a number; nil when the text is none.
    init?(_ text: PythonText) {
        var rest = text.stripped.codePoints
        var isNegative = false
        var hasSign = false
        var hasCurrency = false
        while let first = rest.first {
            if !hasSign, ["-", "+", "\u{2212}"].contains(first) {
                hasSign = true
                isNegative = first != "+"
            } else if !hasCurrency, Self.currencySigns.contains(first) {
                hasCurrency = true
            } else {
                break
            }
            rest.removeFirst()
        }
        if rest.last == "." { rest.removeLast() }
        let parts = rest.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let digits = Self.ungrouped(first) else { return nil }
        let tail = parts.count > 1 ? parts[1] : []
        guard tail.allSatisfy(Self.isDigit), parts.count == 1 || !tail.isEmpty else { return nil }
        let significant = digits.drop { $0 == "0" }
        whole = significant.isEmpty ? "0" : String(String.UnicodeScalarView(significant))
        let lastDigit = tail.lastIndex { $0 != "0" }
        fraction = lastDigit.map { String(String.UnicodeScalarView(tail[...$0])) } ?? ""
        self.isNegative = isNegative && !(whole == "0" && fraction.isEmpty)
    }

    private static func isDigit(_ scalar: Unicode.Scalar) -> Bool { ("0"..."9").contains(scalar) }

    /// The digits without thousands commas; nil when there is anything else or a group is not of three digits.
    private static func ungrouped(_ text: ArraySlice<Unicode.Scalar>) -> [Unicode.Scalar]? {
        let groups = text.split(separator: ",", omittingEmptySubsequences: false)
        guard groups.allSatisfy({ !$0.isEmpty && $0.allSatisfy(isDigit) }) else { return nil }
        guard groups.count == 1 || (groups[0].count <= 3 && groups.dropFirst().allSatisfy { $0.count == 3 }) else {
            return nil
        }
        return groups.flatMap(\.self)
    }
}
