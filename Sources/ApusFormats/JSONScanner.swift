/// A pull parser for JSON over raw bytes: the caller asks for what it expects and sees every key, duplicates included.
///
/// It exists because `JSONDecoder` silently keeps one of two equal keys, which in a safetensors header decides
/// which bytes a tensor is. It allocates only the strings that it returns.
struct JSONScanner {
    /// What was wrong, and at which byte.
    struct Failure: Error {
        var offset: Int
        var message: String
    }

    private let bytes: UnsafeRawBufferPointer
    private(set) var offset = 0

    /// The deepest nesting that `skipValue()` follows.
    private static let depthLimit = 64

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    /// Enters an object; then call `nextKey(first:)` until it returns nil.
    mutating func beginObject() throws(Failure) { try expect(UInt8(ascii: "{")) }

    /// Enters an array; then call `nextElement(first:)` until it returns false.
    mutating func beginArray() throws(Failure) { try expect(UInt8(ascii: "[")) }

    /// The next key of the current object with its colon consumed, or nil after consuming the closing brace.
    mutating func nextKey(first: inout Bool) throws(Failure) -> String? {
        guard try advance(first: &first, closing: UInt8(ascii: "}")) else { return nil }
        let key = try string()
        try expect(UInt8(ascii: ":"))
        return key
    }

    /// Whether another element follows in the current array; consumes the closing bracket when not.
    mutating func nextElement(first: inout Bool) throws(Failure) -> Bool {
        try advance(first: &first, closing: UInt8(ascii: "]"))
    }

    /// A string, which must be valid UTF-8.
    mutating func string() throws(Failure) -> String {
        try expect(UInt8(ascii: "\""))
        let start = offset
        while offset < bytes.count, bytes[offset] != UInt8(ascii: "\""), bytes[offset] != UInt8(ascii: "\\") {
            guard bytes[offset] >= 0x20 else { throw failure("control character in a string") }
            offset += 1
        }
        guard offset < bytes.count else { throw failure("string without an end") }
        guard bytes[offset] == UInt8(ascii: "\\") else {
            defer { offset += 1 }
            return try text(bytes[start..<offset], at: start)
        }
        return try escapedString(from: start)
    }

    /// A non-negative whole number that fits in `Int`.
    mutating func count() throws(Failure) -> Int {
        skipSpace()
        let start = offset
        var value = 0
        while let digit = digitAtOffset() {
            let (tens, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carried) = tens.addingReportingOverflow(digit)
            guard !overflow, !carried else { throw Failure(offset: start, message: "number above 2^63") }
            value = sum
            offset += 1
        }
        let next = offset < bytes.count ? bytes[offset] : 0
        let isWhole = next != UInt8(ascii: ".") && next | 0x20 != UInt8(ascii: "e")
        guard offset > start, isWhole, offset - start == 1 || bytes[start] != UInt8(ascii: "0") else {
            throw Failure(offset: start, message: "wanted a non-negative whole number")
        }
        return value
    }

    /// Passes over one value of any kind.
    mutating func skipValue(depth: Int = 0) throws(Failure) {
        guard depth < Self.depthLimit else { throw failure("nested deeper than \(Self.depthLimit)") }
        skipSpace()
        guard offset < bytes.count else { throw failure("wanted a value") }
        var first = true
        switch bytes[offset] {
        case UInt8(ascii: "{"):
            try beginObject()
            while try nextKey(first: &first) != nil { try skipValue(depth: depth + 1) }
        case UInt8(ascii: "["):
            try beginArray()
            while try nextElement(first: &first) { try skipValue(depth: depth + 1) }
        case UInt8(ascii: "\""):
            _ = try string()
        default:
            try skipScalar()
        }
    }

    /// Checks that only white space is left.
    mutating func end() throws(Failure) {
        skipSpace()
        guard offset == bytes.count else { throw failure("data after the end of the document") }
    }

    private mutating func advance(first: inout Bool, closing: UInt8) throws(Failure) -> Bool {
        skipSpace()
        guard offset < bytes.count else { throw failure("unfinished document") }
        if bytes[offset] == closing {
            offset += 1
            return false
        }
        if !first { try expect(UInt8(ascii: ",")) }
        first = false
        return true
    }

    private mutating func expect(_ byte: UInt8) throws(Failure) {
        skipSpace()
        guard offset < bytes.count, bytes[offset] == byte else {
            throw failure("wanted '\(Character(Unicode.Scalar(byte)))'")
        }
        offset += 1
    }

    private mutating func skipSpace() {
        while offset < bytes.count {
            switch bytes[offset] {
            case 0x20, 0x0A, 0x0D, 0x09: offset += 1
            default: return
            }
        }
    }

    private func digitAtOffset() -> Int? {
        guard offset < bytes.count, 0x30...0x39 ~= bytes[offset] else { return nil }
        return Int(bytes[offset] - 0x30)
    }

    private mutating func skipScalar() throws(Failure) {
        let start = offset
        while offset < bytes.count, Self.isScalarByte(bytes[offset]) { offset += 1 }
        let word = try text(bytes[start..<offset], at: start)
        guard ["true", "false", "null"].contains(word) || Double(word)?.isFinite == true else {
            throw Failure(offset: start, message: "'\(word.prefix(20))' is not a JSON value")
        }
    }

    private static func isScalarByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."): true
        default: false
        }
    }

    private func text(_ slice: Slice<UnsafeRawBufferPointer>, at start: Int) throws(Failure) -> String {
        guard let text = String(validating: UnsafeRawBufferPointer(rebasing: slice), as: UTF8.self) else {
            throw Failure(offset: start, message: "not valid UTF-8")
        }
        return text
    }

    private func failure(_ message: String) -> Failure { Failure(offset: offset, message: message) }
}

// MARK: - Escapes

extension JSONScanner {
    /// The rest of a string that holds at least one escape; `offset` is at its first backslash.
    private mutating func escapedString(from start: Int) throws(Failure) -> String {
        var result = [UInt8](bytes[start..<offset])
        while offset < bytes.count {
            let byte = bytes[offset]
            offset += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let text = String(validating: result, as: UTF8.self) else {
                    throw Failure(offset: start, message: "not valid UTF-8")
                }
                return text
            case UInt8(ascii: "\\"):
                result.append(contentsOf: Array(String(try escape()).utf8))
            case 0..<0x20:
                throw failure("control character in a string")
            default:
                result.append(byte)
            }
        }
        throw failure("string without an end")
    }

    private mutating func escape() throws(Failure) -> Unicode.Scalar {
        guard offset < bytes.count else { throw failure("string without an end") }
        let byte = bytes[offset]
        offset += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): return try unicodeEscape()
        default: throw failure("unknown escape in a string")
        }
    }

    /// `XXXX` after `\u`, joined with a following low surrogate where it is a high one.
    private mutating func unicodeEscape() throws(Failure) -> Unicode.Scalar {
        var value = try fourHexDigits()
        if 0xD800...0xDBFF ~= value, offset + 1 < bytes.count,
            bytes[offset] == UInt8(ascii: "\\"), bytes[offset + 1] == UInt8(ascii: "u")
        {
            offset += 2
            let low = try fourHexDigits()
            guard 0xDC00...0xDFFF ~= low else { throw failure("lone surrogate in a string") }
            value = 0x10000 + (value - 0xD800) << 10 + (low - 0xDC00)
        }
        guard let scalar = Unicode.Scalar(value) else { throw failure("lone surrogate in a string") }
        return scalar
    }

    private mutating func fourHexDigits() throws(Failure) -> UInt32 {
        guard offset + 4 <= bytes.count else { throw failure("string without an end") }
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let digit = Character(Unicode.Scalar(bytes[offset])).hexDigitValue else {
                throw failure("wanted four hexadecimal digits after \\u")
            }
            value = value << 4 | UInt32(digit)
            offset += 1
        }
        return value
    }
}
