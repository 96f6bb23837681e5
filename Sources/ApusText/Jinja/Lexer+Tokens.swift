extension Lexer {
    private static let marks: [StaticString] = [
        "==", "!=", "<=", ">=", "//", "**", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=",
        ".", ":", "|", ",",
    ]

    /// One token inside of a tag.
    mutating func scanToken() throws(TextError) {
        let byte = bytes[index]
        switch byte {
        case UInt8(ascii: "'"), UInt8(ascii: "\""): try scanString(quote: byte)
        case UInt8(ascii: "0")...UInt8(ascii: "9"): try scanNumber()
        case _ where Self.isNameByte(byte):
            var end = index
            while end < bytes.count, Self.isNameByte(bytes[end]) { end += 1 }
            append(.name(String(decoding: bytes[index..<end], as: UTF8.self)))
            advance(to: end)
        default:
            for mark in Self.marks where starts(with: mark, at: index) {
                append(.mark("\(mark)"))
                return advance(to: index + mark.utf8CodeUnitCount)
            }
            throw failure("unexpected character in a tag: '\(Character(Unicode.Scalar(byte)))'")
        }
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        isDigit(byte) || byte == UInt8(ascii: "_") || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

    private mutating func scanNumber() throws(TextError) {
        var end = index
        func skipDigits() { while end < bytes.count, Self.isDigit(bytes[end]) { end += 1 } }
        skipDigits()
        var isWhole = true
        if end + 1 < bytes.count, bytes[end] == UInt8(ascii: "."), Self.isDigit(bytes[end + 1]) {
            isWhole = false
            end += 1
            skipDigits()
        }
        if end + 1 < bytes.count, bytes[end] | 0x20 == UInt8(ascii: "e") {
            let hasSign = bytes[end + 1] == UInt8(ascii: "-") || bytes[end + 1] == UInt8(ascii: "+")
            let digits = hasSign ? end + 2 : end + 1
            if digits < bytes.count, Self.isDigit(bytes[digits]) {
                isWhole = false
                end = digits
                skipDigits()
            }
        }
        let text = String(decoding: bytes[index..<end], as: UTF8.self)
        if isWhole, let value = Int(text) {
            append(.integer(value))
        } else if !isWhole, let value = Double(text) {
            append(.number(value))
        } else {
            throw failure("the number \(text) is too large")
        }
        advance(to: end)
    }

    private mutating func scanString(quote: UInt8) throws(TextError) {
        var value: [UInt8] = []
        var position = index + 1
        while position < bytes.count, bytes[position] != quote {
            if bytes[position] == UInt8(ascii: "\\"), position + 1 < bytes.count {
                position = appendEscape(at: position + 1, to: &value)
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

    /// Python's escapes; an unknown one keeps its backslash. Returns where the string goes on.
    private func appendEscape(at position: Int, to value: inout [UInt8]) -> Int {
        let simple: [UInt8: UInt8] = [
            UInt8(ascii: "n"): 0x0A, UInt8(ascii: "t"): 0x09, UInt8(ascii: "r"): 0x0D, UInt8(ascii: "a"): 0x07,
            UInt8(ascii: "b"): 0x08, UInt8(ascii: "f"): 0x0C, UInt8(ascii: "v"): 0x0B, UInt8(ascii: "0"): 0,
            UInt8(ascii: "\\"): UInt8(ascii: "\\"), UInt8(ascii: "'"): UInt8(ascii: "'"),
            UInt8(ascii: "\""): UInt8(ascii: "\""),
        ]
        let lengths: [UInt8: Int] = [UInt8(ascii: "x"): 2, UInt8(ascii: "u"): 4, UInt8(ascii: "U"): 8]
        let byte = bytes[position]
        if let plain = simple[byte] {
            value.append(plain)
            return position + 1
        }
        if byte == 0x0A { return position + 1 }
        let end = position + 1 + (lengths[byte] ?? 0)
        if lengths[byte] != nil, end <= bytes.count,
            let code = UInt32(String(decoding: bytes[(position + 1)..<end], as: UTF8.self), radix: 16),
            let scalar = Unicode.Scalar(code)
        {
            value += Array(String(Character(scalar)).utf8)
            return end
        }
        value += [UInt8(ascii: "\\"), byte]
        return position + 1
    }
}
