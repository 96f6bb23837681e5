import ApusFormats

extension Lexer {
    private static let marks: [StaticString] = [
        "==", "!=", "<=", ">=", "//", "**", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=",
        ".", ":", "|", ",", ";",
    ]

    /// One token inside of a tag.
    mutating func scanToken() throws(TextError) {
        let byte = bytes[index]
        switch byte {
        case UInt8(ascii: "'"), UInt8(ascii: "\""): try scanString(quote: byte)
        case UInt8(ascii: "0")...UInt8(ascii: "9"): try scanNumber()
        case _ where scalar(at: index)?.beginsName == true:
            var end = index
            while let scalar = scalar(at: end), scalar.continuesName { end += UTF8.width(scalar) }
            append(.name(String(decoding: bytes[index..<end], as: UTF8.self)))
            advance(to: end)
        default:
            for mark in Self.marks where starts(with: mark, at: index) {
                append(.mark("\(mark)"))
                return advance(to: index + mark.utf8CodeUnitCount)
            }
            throw failure("unexpected character in a tag: '\(scalar(at: index).map(Character.init) ?? "?")'")
        }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

    /// The end of digits, which single underscores may part; nil where there is none.
    private func endOfDigits(at start: Int, radix: Int = 10) -> Int? {
        var position = start
        var end: Int?
        while position < bytes.count {
            if Int(String(Character(Unicode.Scalar(bytes[position]))), radix: radix) != nil {
                end = position + 1
            } else if bytes[position] != UInt8(ascii: "_") || end != position {
                break
            }
            position += 1
        }
        return end
    }

    private mutating func scanNumber() throws(TextError) {
        let radixes: [UInt8: Int] = [UInt8(ascii: "b"): 2, UInt8(ascii: "o"): 8, UInt8(ascii: "x"): 16]
        let mark = index + 1 < bytes.count ? bytes[index + 1] | 0x20 : 0
        if bytes[index] == UInt8(ascii: "0"), let radix = radixes[mark],
            let end = endOfDigits(
                at: bytes[(index + 2)...].first == UInt8(ascii: "_") ? index + 3 : index + 2, radix: radix)
        {
            return try appendInteger(digits: (index + 2)..<end, radix: radix)
        }
        guard let end = endOfDigits(at: index) else { throw failure("wanted a number") }
        // Behind a dot stand indices: `list.0.1`.
        let mayBeFloat = index == 0 || bytes[index - 1] != UInt8(ascii: ".")
        guard mayBeFloat, let floatEnd = endOfFloat(from: end) else {
            // No number but zero begins with 0: `012` is two numbers, which no syntax takes.
            let isZero = bytes[index..<end].allSatisfy { $0 == UInt8(ascii: "0") || $0 == UInt8(ascii: "_") }
            let beginsWithZero = bytes[index] == UInt8(ascii: "0")
            guard isZero || !beginsWithZero else { throw failure("a number begins with 0") }
            return try appendInteger(digits: index..<end, radix: 10)
        }
        let text = String(decoding: bytes[index..<floatEnd].filter { $0 != UInt8(ascii: "_") }, as: UTF8.self)
        guard let value = Double(text) else { throw failure("the number \(text) is too large") }
        append(.number(value))
        advance(to: floatEnd)
    }

    /// Where a number goes on behind its first digits as one with a fraction or an exponent; nil when it does not.
    private func endOfFloat(from start: Int) -> Int? {
        var end = start
        if end < bytes.count, bytes[end] == UInt8(ascii: "."), let fraction = endOfDigits(at: end + 1) {
            end = fraction
        }
        if end + 1 < bytes.count, bytes[end] | 0x20 == UInt8(ascii: "e") {
            let hasSign = bytes[end + 1] == UInt8(ascii: "-") || bytes[end + 1] == UInt8(ascii: "+")
            if let exponent = endOfDigits(at: hasSign ? end + 2 : end + 1) { end = exponent }
        }
        return end > start ? end : nil
    }

    private mutating func appendInteger(digits: Range<Int>, radix: Int) throws(TextError) {
        let text = String(decoding: bytes[digits].filter { $0 != UInt8(ascii: "_") }, as: UTF8.self)
        if let value = Int(text, radix: radix) {
            append(.integer(value))
        } else if radix == 10, let value = BigInteger(text) {
            append(.bigInteger(value))
        } else {
            throw failure("the number \(text.prefix(20)) is too large")
        }
        advance(to: digits.upperBound)
    }

    private mutating func scanString(quote: UInt8) throws(TextError) {
        var value: [UInt8] = []
        var position = index + 1
        while position < bytes.count, bytes[position] != quote {
            if bytes[position] == UInt8(ascii: "\\"), position + 1 < bytes.count {
                position = try appendEscape(at: position + 1, to: &value)
            } else {
                value.append(bytes[position])
                position += 1
            }
        }
        guard position < bytes.count else {
            throw failure("a string is not closed; add \(Character(Unicode.Scalar(quote)))")
        }
        append(.string(String(decoding: value, as: UTF8.self)))
        advance(to: position + 1)
    }

    private static let simpleEscapes: [UInt8: UInt8] = [
        UInt8(ascii: "n"): 0x0A, UInt8(ascii: "t"): 0x09, UInt8(ascii: "r"): 0x0D, UInt8(ascii: "a"): 0x07,
        UInt8(ascii: "b"): 0x08, UInt8(ascii: "f"): 0x0C, UInt8(ascii: "v"): 0x0B,
        UInt8(ascii: "\\"): UInt8(ascii: "\\"), UInt8(ascii: "'"): UInt8(ascii: "'"),
        UInt8(ascii: "\""): UInt8(ascii: "\""),
    ]

    /// Python's escapes; an unknown one keeps its backslash. Returns where the string goes on.
    private func appendEscape(at position: Int, to value: inout [UInt8]) throws(TextError) -> Int {
        let lengths: [UInt8: Int] = [UInt8(ascii: "x"): 2, UInt8(ascii: "u"): 4, UInt8(ascii: "U"): 8]
        let byte = bytes[position]
        if let plain = Self.simpleEscapes[byte] {
            value.append(plain)
            return position + 1
        }
        if byte == 0x0A { return position + 1 }
        if let length = lengths[byte] {
            return try appendCode(digits: (position + 1)..<(position + 1 + length), radix: 16, to: &value)
        }
        if (0x30...0x37).contains(byte) {
            let digits = bytes[position..<min(position + 3, bytes.count)].prefix { (0x30...0x37).contains($0) }
            return try appendCode(digits: position..<(position + digits.count), radix: 8, to: &value)
        }
        guard byte != UInt8(ascii: "N") else {
            throw TextError(
                code: .templateUnsupported, message: "names of characters, '\\N', are not supported", line: line)
        }
        value.append(UInt8(ascii: "\\"))
        guard let scalar = scalar(at: position), !scalar.isASCII else {
            value.append(byte)
            return position + 1
        }
        // Jinja2 writes the string down in ASCII before it reads its escapes, and this backslash takes the new one's.
        value += Array(scalar.pythonEscape.dropFirst().utf8)
        return position + UTF8.width(scalar)
    }

    private func appendCode(digits: Range<Int>, radix: Int, to value: inout [UInt8]) throws(TextError) -> Int {
        guard digits.upperBound <= bytes.count,
            bytes[digits].allSatisfy({ Unicode.Scalar($0).properties.isASCIIHexDigit }),
            let code = UInt32(String(decoding: bytes[digits], as: UTF8.self), radix: radix),
            let scalar = Unicode.Scalar(code)
        else { throw failure("an escape in a string is not a character") }
        value += Array(String(Character(scalar)).utf8)
        return digits.upperBound
    }
}
