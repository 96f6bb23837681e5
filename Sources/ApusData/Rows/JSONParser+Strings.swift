extension JSONParser {
    /// Reads a string in quotes, with its escapes.
    mutating func string() throws(Failure) -> String {
        try expect("\"")
        var text: [UInt8] = []
        while true {
            let start = position
            while let byte = current, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 { advance() }
            text += slice(from: start)
            switch current {
            case UInt8(ascii: "\""):
                advance()
                return String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "\\"):
                text += String(try escape()).utf8
            case nil:
                throw Failure(offset: position, reason: "wanted a closing quote, found the end")
            default:
                throw Failure(offset: position, reason: "wanted a control character to be escaped, found a raw one")
            }
        }
    }

    private mutating func escape() throws(Failure) -> Unicode.Scalar {
        let start = position
        advance()
        let letter = current
        advance()
        switch letter {
        case UInt8(ascii: "\""): return "\""
        case UInt8(ascii: "\\"): return "\\"
        case UInt8(ascii: "/"): return "/"
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): return try unicodeEscape(from: start)
        default: throw Failure(offset: start, reason: "wanted an escape such as \\n, found an unknown one")
        }
    }

    /// The scalar of `\uXXXX`, or of a surrogate pair of two of them.
    private mutating func unicodeEscape(from start: Int) throws(Failure) -> Unicode.Scalar {
        var units = [try hexUnit(from: start)]
        if UTF16.isLeadSurrogate(units[0]), current == UInt8(ascii: "\\") {
            advance()
            guard current == UInt8(ascii: "u") else { throw loneSurrogate(at: start) }
            advance()
            units.append(try hexUnit(from: start))
        }
        var codec = UTF16()
        var iterator = units.makeIterator()
        guard case .scalarValue(let scalar) = codec.decode(&iterator), iterator.next() == nil else {
            throw loneSurrogate(at: start)
        }
        return scalar
    }

    private func loneSurrogate(at offset: Int) -> Failure {
        Failure(offset: offset, reason: "wanted a pair of surrogate escapes, found half of one")
    }

    private mutating func hexUnit(from start: Int) throws(Failure) -> UInt16 {
        var unit: UInt16 = 0
        for _ in 0..<4 {
            guard let byte = current, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw Failure(offset: start, reason: "wanted four hexadecimal digits after \\u")
            }
            unit = unit << 4 | UInt16(digit)
            advance()
        }
        return unit
    }
}
