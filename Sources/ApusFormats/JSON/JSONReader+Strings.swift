extension JSONReader {
    /// A string in quotes, its escapes resolved.
    ///
    /// - Throws: ``Failure`` where no string stands.
    public mutating func string() throws(Failure) -> String {
        try expect(UInt8(ascii: "\""))
        let start = offset
        skipPlainText()
        guard current == UInt8(ascii: "\"") else { return try escapedString(from: start) }
        offset += 1
        return try text(of: bytes, start..<offset - 1, at: start)
    }

    /// The rest of a string that does not stand for itself all through.
    private mutating func escapedString(from start: Int) throws(Failure) -> String {
        var resolved = Array(bytes[start..<offset])
        while current != UInt8(ascii: "\"") {
            guard let byte = current else { throw failure("a closing quote") }
            guard byte == UInt8(ascii: "\\") else {
                throw Failure(offset: offset, message: "wanted a control character to be escaped, found a raw one")
            }
            resolved += String(try escape()).utf8
            let plain = offset
            skipPlainText()
            resolved += bytes[plain..<offset]
        }
        offset += 1
        return try text(of: resolved, resolved.indices, at: start)
    }

    /// Passes over what stands for itself.
    @inline(__always) private mutating func skipPlainText() {
        let limit: UInt8 = isLenient ? 0 : 0x20
        var end = offset
        while end < bytes.count {
            let byte = bytes[end]
            guard byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= limit else { break }
            end += 1
        }
        offset = end
    }

    func text(of bytes: [UInt8], _ range: Range<Int>, at start: Int) throws(Failure) -> String {
        // A slice of the array would be retained and released for each text: a tenth of the time of a tokenizer's file.
        let text = bytes.withUnsafeBufferPointer { bytes in
            let slice = UnsafeBufferPointer(rebasing: bytes[range])
            return isLenient ? String(decoding: slice, as: UTF8.self) : String(validating: slice, as: UTF8.self)
        }
        guard let text else { throw Failure(offset: start, message: "wanted UTF-8 text, found other bytes") }
        return text
    }

    private mutating func escape() throws(Failure) -> Unicode.Scalar {
        let start = offset
        let letter = offset + 1 < bytes.count ? bytes[offset + 1] : 0
        offset += 2
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(letter)
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): return try unicodeEscape(at: start)
        default:
            throw Failure(offset: start, message: "wanted an escape such as \\n, found an unknown one")
        }
    }

    /// The scalar of `\uXXXX`, or of a surrogate pair of two of them.
    private mutating func unicodeEscape(at start: Int) throws(Failure) -> Unicode.Scalar {
        let unit = try hexadecimal(at: start)
        if let scalar = Unicode.Scalar(unit) { return scalar }
        let mark = offset
        if unit < 0xDC00, bytes[offset...].starts(with: "\\u".utf8) {
            offset += 2
            let low = try hexadecimal(at: start)
            if 0xDC00...0xDFFF ~= low, let scalar = Unicode.Scalar(0x10000 + (unit & 0x3FF) << 10 + (low & 0x3FF)) {
                return scalar
            }
            offset = mark
        }
        guard isLenient else {
            throw Failure(offset: start, message: "wanted a pair of surrogate escapes, found half of one")
        }
        return "\u{FFFD}"
    }

    private mutating func hexadecimal(at start: Int) throws(Failure) -> UInt32 {
        var unit: UInt32 = 0
        for _ in 0..<4 {
            let byte = current ?? 0
            switch byte {
            case 0x30...0x39: unit = unit << 4 | UInt32(byte - 0x30)
            case 0x41...0x46, 0x61...0x66: unit = unit << 4 | UInt32((byte | 0x20) - 0x57)
            default: throw Failure(offset: start, message: "wanted four hexadecimal digits after \\u")
            }
            offset += 1
        }
        return unit
    }
}
