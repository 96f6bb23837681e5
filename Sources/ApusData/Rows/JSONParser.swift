/// A strict JSON reader (RFC 8259) over bytes that are already known to be UTF-8.
///
/// It exists next to Foundation's decoder because a dataset needs three things that one does not give: the place of a
/// fault, rows of an array one at a time, and the difference between a number, a boolean and a string.
struct JSONParser {
    /// A fault and where it is.
    struct Failure: Error {
        let offset: Int
        let reason: String
    }

    /// Deeper nesting than this is refused: it would overflow the stack long before it meant anything.
    static let maximumDepth = 256

    private let bytes: ArraySlice<UInt8>
    private(set) var position: Int

    init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        position = bytes.startIndex
    }

    /// The one value that the bytes hold.
    static func parse(_ bytes: ArraySlice<UInt8>) throws(Failure) -> JSONValue {
        var parser = JSONParser(bytes)
        let value = try parser.value()
        try parser.end()
        return value
    }

    /// The byte at the position; nil at the end.
    var current: UInt8? { position < bytes.endIndex ? bytes[position] : nil }

    /// Steps over one byte.
    mutating func advance() { position += 1 }

    /// The bytes from an earlier position up to this one.
    func slice(from start: Int) -> ArraySlice<UInt8> { bytes[start..<position] }

    /// Checks that only white space is left.
    mutating func end() throws(Failure) {
        skipSpace()
        if position < bytes.endIndex { throw failure("wanted the end, found \(found)") }
    }

    /// The next byte after white space; nil at the end.
    mutating func peek() -> UInt8? {
        skipSpace()
        return position < bytes.endIndex ? bytes[position] : nil
    }

    /// Steps over one expected character.
    mutating func expect(_ character: Unicode.Scalar) throws(Failure) {
        guard peek() == UInt8(ascii: character) else { throw failure("wanted '\(character)', found \(found)") }
        position += 1
    }

    /// Reads one value and leaves the position after it.
    mutating func value(depth: Int = 0) throws(Failure) -> JSONValue {
        guard depth < Self.maximumDepth else {
            throw failure("wanted at most \(Self.maximumDepth) levels of nesting, found more")
        }
        switch peek() {
        case UInt8(ascii: "{"): return try object(depth)
        case UInt8(ascii: "["): return try array(depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case .some(UInt8(ascii: "-")), .some(UInt8(ascii: "0")...UInt8(ascii: "9")): return .number(try number())
        default: throw failure("wanted a value, found \(found)")
        }
    }
}

extension JSONParser {
    private func failure(_ reason: String) -> Failure { Failure(offset: position, reason: reason) }

    /// What stands at the position, for messages.
    private var found: String {
        guard position < bytes.endIndex else { return "the end" }
        let byte = bytes[position]
        let isPrintable = byte > 0x20 && byte < 0x7F
        return isPrintable ? "'\(Unicode.Scalar(byte))'" : "byte 0x" + String(byte, radix: 16, uppercase: true)
    }

    private mutating func skipSpace() {
        while position < bytes.endIndex, [0x20, 0x0A, 0x0D, 0x09].contains(bytes[position]) { position += 1 }
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard peek() == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    private mutating func word(_ text: StaticString, _ value: JSONValue) throws(Failure) -> JSONValue {
        guard bytes[position...].starts(with: "\(text)".utf8) else { throw failure("wanted a value, found \(found)") }
        position += text.utf8CodeUnitCount
        return value
    }

    private mutating func array(_ depth: Int) throws(Failure) -> JSONValue {
        try expect("[")
        var elements: [JSONValue] = []
        if take("]") { return .array(elements) }
        repeat { elements.append(try value(depth: depth + 1)) } while take(",")
        try expect("]")
        return .array(elements)
    }

    private mutating func object(_ depth: Int) throws(Failure) -> JSONValue {
        try expect("{")
        var members: [String: JSONValue] = [:]
        if take("}") { return .object(members) }
        repeat {
            guard peek() == UInt8(ascii: "\"") else { throw failure("wanted a key in quotes, found \(found)") }
            let start = position
            let key = try string()
            try expect(":")
            guard members.updateValue(try value(depth: depth + 1), forKey: key) == nil else {
                throw Failure(offset: start, reason: "wanted each key once, found '\(key.onOneLine)' twice")
            }
        } while take(",")
        try expect("}")
        return .object(members)
    }

    private mutating func digits() throws(Failure) {
        let start = position
        while position < bytes.endIndex, (0x30...0x39).contains(bytes[position]) { position += 1 }
        if position == start { throw failure("wanted a digit, found \(found)") }
    }

    private mutating func number() throws(Failure) -> Double {
        let start = position
        if bytes[position] == UInt8(ascii: "-") { position += 1 }
        let whole = position
        try digits()
        if bytes[whole] == UInt8(ascii: "0"), position > whole + 1 {
            throw Failure(offset: whole, reason: "wanted a number without leading zeros")
        }
        if position < bytes.endIndex, bytes[position] == UInt8(ascii: ".") {
            position += 1
            try digits()
        }
        if position < bytes.endIndex, bytes[position] | 0x20 == UInt8(ascii: "e") {
            position += 1
            if position < bytes.endIndex, [UInt8(ascii: "+"), UInt8(ascii: "-")].contains(bytes[position]) {
                position += 1
            }
            try digits()
        }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        guard let value = Double(text), value.isFinite else {
            throw Failure(offset: start, reason: "wanted a number within double range, found \(text.prefix(40))")
        }
        return value
    }
}
