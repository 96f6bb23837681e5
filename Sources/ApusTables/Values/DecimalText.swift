/// Decimals as text: exact, with as many digits after the point as the column has.
enum DecimalText {
    /// The most bytes of a decimal: 76 digits take 32.
    static let greatestWidth = 32

    /// The text of an unscaled number, of which `scale` digits stand after the point; a negative scale adds zeros.
    static func text(unscaled: Int64, scale: Int) -> String {
        text(isNegative: unscaled < 0, digits: String(unscaled.magnitude), scale: scale)
    }

    /// The same of a number in two's complement, its highest byte first; at most 32 bytes.
    static func text(bigEndian bytes: some BidirectionalCollection<UInt8>, scale: Int) -> String {
        let isNegative = (bytes.first ?? 0) >= 0x80
        var limbs: [UInt32] = []
        var rest = Array(bytes)
        if isNegative { negate(&rest) }
        while !rest.isEmpty {
            limbs.append(rest.suffix(4).reduce(0) { $0 << 8 | UInt32($1) })
            rest.removeLast(min(4, rest.count))
        }
        return text(isNegative: isNegative, digits: digits(&limbs), scale: scale)
    }

    private static func negate(_ bytes: inout [UInt8]) {
        var carry = true
        for index in bytes.indices.reversed() {
            bytes[index] = ~bytes[index]
            if carry { (bytes[index], carry) = bytes[index].addingReportingOverflow(1) }
        }
    }

    /// The digits of a number in limbs, the lowest first: nine at a time, by long division.
    private static func digits(_ limbs: inout [UInt32]) -> String {
        var text = ""
        while limbs.contains(where: { $0 != 0 }) {
            var rest: UInt64 = 0
            for index in limbs.indices.reversed() {
                let value = rest << 32 | UInt64(limbs[index])
                limbs[index] = UInt32(truncatingIfNeeded: value / 1_000_000_000)
                rest = value % 1_000_000_000
            }
            let group = String(rest)
            text = String(repeating: "0", count: 9 - group.count) + group + text
        }
        let digits = text.drop { $0 == "0" }
        return digits.isEmpty ? "0" : String(digits)
    }

    private static func text(isNegative: Bool, digits: String, scale: Int) -> String {
        let sign = isNegative ? "-" : ""
        guard scale > 0 else { return sign + digits + String(repeating: "0", count: digits == "0" ? 0 : -scale) }
        let padded = String(repeating: "0", count: max(0, scale + 1 - digits.count)) + digits
        return "\(sign)\(padded.dropLast(scale)).\(padded.suffix(scale))"
    }
}
