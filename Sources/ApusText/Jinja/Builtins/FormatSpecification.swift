import ApusFormats
internal import Foundation

/// How one value is written into a text: what `format` and `%` of Python have in common.
struct FormatSpecification {
    enum Alignment: Unicode.Scalar {
        case left = "<"
        case right = ">"
        case centre = "^"
        /// Filling stands between the sign and the digits.
        case behindSign = "="
    }

    /// The largest width and precision that text is made of.
    static let maximumSize = 1 << 20

    var fill: Unicode.Scalar = " "
    var alignment: Alignment?
    var sign: Unicode.Scalar = "-"
    var isAlternate = false
    var width = 0
    var grouping: Unicode.Scalar?
    var precision: Int?
    var type: Unicode.Scalar?

    /// Reads Python's mini-language; nil where the text is not of it.
    init?(_ text: String) {
        var rest = text.unicodeScalars[...]
        let second = rest.dropFirst().first
        if let second, let alignment = Alignment(rawValue: second), let first = rest.first {
            fill = first
            self.alignment = alignment
            rest.removeFirst(2)
        } else if let first = rest.first, let alignment = Alignment(rawValue: first) {
            self.alignment = alignment
            rest.removeFirst()
        }
        if let first = rest.first, "+- ".unicodeScalars.contains(first) { sign = rest.removeFirst() }
        if rest.first == "#" {
            isAlternate = true
            rest.removeFirst()
        }
        if rest.first == "0" {
            if alignment == nil {
                fill = "0"
                alignment = .behindSign
            }
            rest.removeFirst()
        }
        guard let width = Self.number(&rest) else { return nil }
        self.width = width ?? 0
        if let first = rest.first, ",_".unicodeScalars.contains(first) { grouping = rest.removeFirst() }
        if rest.first == "." {
            rest.removeFirst()
            guard let digits = Self.number(&rest), let precision = digits else { return nil }
            self.precision = precision
        }
        type = rest.popFirst()
        guard rest.isEmpty else { return nil }
    }

    init() {}

    /// Digits, nil when there are none; no result where they are too many.
    static func number(_ rest: inout Substring.UnicodeScalarView) -> Int?? {
        let digits = rest.prefix { $0.isASCII && $0.properties.numericType != nil }
        rest.removeFirst(digits.count)
        guard !digits.isEmpty else { return .some(nil) }
        guard let number = Int(String(digits)), number <= maximumSize else { return nil }
        return .some(number)
    }

    /// Puts text into the width.
    func aligned(_ text: String, sign: String = "", standard: Alignment) -> String {
        let missing = width - text.unicodeScalars.count - sign.unicodeScalars.count
        guard missing > 0 else { return sign + text }
        func filling(_ count: Int) -> String { String(repeating: String(fill), count: count) }
        switch alignment ?? standard {
        case .left: return sign + text + filling(missing)
        case .right: return filling(missing) + sign + text
        case .centre: return filling(missing / 2) + sign + text + filling(missing - missing / 2)
        case .behindSign: return sign + filling(missing) + text
        }
    }

    func signText(isNegative: Bool) -> String { isNegative ? "-" : sign == "-" ? "" : String(sign) }

    /// Digits in groups, with the zeros in front that the width asks for where it is filled with them.
    func grouped(_ digits: String, every size: Int, roomFor width: Int) -> String {
        guard let grouping else { return digits }
        func separated(_ digits: [Character]) -> String {
            var result = ""
            for (index, digit) in digits.enumerated() {
                if index > 0, (digits.count - index) % size == 0 { result.unicodeScalars.append(grouping) }
                result.append(digit)
            }
            return result
        }
        var all = Array(digits)
        guard fill == "0", alignment == .behindSign else { return separated(all) }
        while all.count + (all.count - 1) / size < width { all.insert("0", at: 0) }
        return separated(all)
    }
}

// MARK: - Numbers

extension FormatSpecification {
    /// A whole number; nil where the type is none of whole numbers'.
    func text(of value: Int) -> String? {
        let radixes: [Unicode.Scalar: (radix: Int, prefix: String)] = [
            "d": (10, ""), "b": (2, "0b"), "o": (8, "0o"), "x": (16, "0x"), "X": (16, "0X"),
        ]
        guard precision == nil, let (radix, mark) = radixes[type ?? "d"] else { return nil }
        guard grouping != "," || radix == 10 else { return nil }
        let digits = String(value.magnitude, radix: radix, uppercase: type == "X")
        let sign = signText(isNegative: value < 0) + (isAlternate ? mark : "")
        let text = grouped(digits, every: radix == 10 ? 3 : 4, roomFor: width - sign.utf8.count)
        return aligned(text, sign: sign, standard: .right)
    }

    /// A number with a fraction; nil where the type is none of these numbers'.
    func text(of value: Double) -> String? {
        guard let type = type ?? Optional("r"), "eEfFgG%r".unicodeScalars.contains(type) else { return nil }
        let sign = signText(isNegative: value.sign == .minus && !value.isNaN)
        let suffix = type == "%" ? "%" : ""
        var text = magnitude(type == "%" ? abs(value) * 100 : abs(value), type)
        let digits = text.prefix { $0.isNumber }
        text =
            grouped(
                String(digits), every: 3,
                roomFor: width - sign.utf8.count - text.utf8.count + digits.count - suffix.utf8.count)
            + text.dropFirst(digits.count)
        return aligned(text + suffix, sign: sign, standard: .right)
    }

    private func magnitude(_ value: Double, _ type: Unicode.Scalar) -> String {
        let isUpper = type.properties.isUppercase
        guard value.isFinite else {
            let text = value.isNaN ? "nan" : "inf"
            return isUpper ? text.uppercased() : text
        }
        switch type {
        case "e", "E": return Self.printed(value, isAlternate ? "%#.*e" : "%.*e", precision ?? 6, isUpper)
        case "f", "F", "%": return Self.printed(value, isAlternate ? "%#.*f" : "%.*f", precision ?? 6, isUpper)
        case "g", "G": return Self.printed(value, isAlternate ? "%#.*g" : "%.*g", precision ?? 6, isUpper)
        default: return precision.map { general(value, precision: max($0, 1)) } ?? value.pythonDescription
        }
    }

    /// As `%g`, but one digit behind the point stays, for which there must be room.
    private func general(_ value: Double, precision: Int) -> String {
        let exponential = Self.printed(value, "%.*e", precision - 1, false)
        let exponent = exponential.lastIndex(of: "e").flatMap { Int(exponential[exponential.index(after: $0)...]) } ?? 0
        let text = Self.printed(value, "%.*g", precision, false)
        guard exponent >= -4, exponent < precision - 1 || precision > exponent + 1 else {
            let parts = exponential.split(separator: "e", maxSplits: 1)
            var digits = String(parts[0])
            if digits.contains(".") { while digits.hasSuffix("0") { digits.removeLast() } }
            if digits.hasSuffix(".") { digits.removeLast() }
            return digits + "e" + parts[1]
        }
        return text.contains(".") ? text : text + ".0"
    }

    private static func printed(_ value: Double, _ format: String, _ precision: Int, _ isUpper: Bool) -> String {
        let text = String(format: format, precision, value)
        return isUpper ? text.uppercased() : text
    }
}

extension Double {
    /// What Python's `repr` prints.
    var pythonDescription: String {
        guard isFinite else { return isNaN ? "nan" : self < 0 ? "-inf" : "inf" }
        return JSONWriter.describe(self)
    }
}
