/// A pull reader of JSON (RFC 8259): the caller asks for what it expects, and sees keys in their order, numbers as they are
/// written and, where something is wrong, at which byte.
///
/// Foundation's decoder keeps one of two equal keys, loses the order of the others and makes a double of a large integer.
/// Which bytes a tensor is, what a template prints and what a reward compares depend on these.
public struct JSONReader {
    /// What is wrong, and at which byte of the text.
    public struct Failure: Error {
        /// The byte, counted from 0.
        public let offset: Int
        /// What was wanted and what was found.
        public let message: String

        /// A fault that a caller finds in what it has read.
        public init(offset: Int, message: String) {
            self.offset = offset
            self.message = message
        }
    }

    /// How deep arrays and objects nest at most: deeper would overflow the stack long before it meant anything.
    public static let maximumDepth = 256

    let bytes: [UInt8]
    /// Whether equal keys may follow each other, and text that is none is repaired; a byte order mark is passed over.
    let isLenient: Bool
    /// The byte that comes next; where a value or a key has to follow, white space has been passed over.
    public internal(set) var offset = 0
    private var depth = 0
    /// Whether a bracket was opened and nothing followed yet.
    private var isAtBeginning = false
    /// The keys so far of each object that is open, where equal ones are refused.
    private var keys: [Set<String>] = []

    /// - Parameter isLenient: for files that other readers take: the last of equal keys counts (the caller sees all of
    ///   them), text that is no UTF-8 and half a surrogate pair become U+FFFD, control characters are text.
    public init(_ bytes: [UInt8], isLenient: Bool = false) {
        self.bytes = bytes
        self.isLenient = isLenient
        if isLenient, bytes.starts(with: [0xEF, 0xBB, 0xBF]) { offset = 3 }
        skipSpace()
    }

    /// Enters an object; then call `nextKey()` until it returns nil.
    ///
    /// - Throws: ``Failure`` where no object begins, or too deep.
    public mutating func beginObject() throws(Failure) {
        try begin(UInt8(ascii: "{"))
        if !isLenient { keys.append([]) }
    }

    /// Enters an array; then call `nextElement()` until it returns false.
    ///
    /// - Throws: ``Failure`` where no array begins, or too deep.
    public mutating func beginArray() throws(Failure) { try begin(UInt8(ascii: "[")) }

    /// The next key of the object with its colon consumed, or nil after consuming the closing brace.
    ///
    /// - Throws: ``Failure`` where no key stands, or one for the second time.
    public mutating func nextKey() throws(Failure) -> String? {
        guard try advance(closing: UInt8(ascii: "}")) else {
            if !isLenient { keys.removeLast() }
            return nil
        }
        guard current == UInt8(ascii: "\"") else { throw failure("a key in quotes") }
        let start = offset
        let key = try string()
        if !isLenient, !keys[keys.count - 1].insert(key).inserted {
            throw Failure(offset: start, message: "wanted each key once, found '\(key)' twice")
        }
        skipSpace()
        try expect(UInt8(ascii: ":"))
        skipSpace()
        return key
    }

    /// Whether another element follows in the array, at the next byte; consumes the closing bracket when not.
    ///
    /// - Throws: ``Failure`` where neither a comma nor the bracket stands.
    public mutating func nextElement() throws(Failure) -> Bool { try advance(closing: UInt8(ascii: "]")) }

    /// A number as it is written.
    ///
    /// - Throws: ``Failure`` where no number stands.
    public mutating func number() throws(Failure) -> String {
        let start = offset
        if current == UInt8(ascii: "-") { offset += 1 }
        let whole = offset
        try digits()
        guard bytes[whole] != UInt8(ascii: "0") || offset == whole + 1 else {
            throw Failure(offset: whole, message: "wanted a number without leading zeros")
        }
        if current == UInt8(ascii: ".") {
            offset += 1
            try digits()
        }
        if current == UInt8(ascii: "e") || current == UInt8(ascii: "E") {
            offset += 1
            if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { offset += 1 }
            try digits()
        }
        return try text(of: bytes, start..<offset, at: start)
    }

    /// The next byte after white space; nil at the end.
    public mutating func peek() -> UInt8? {
        skipSpace()
        return current
    }

    /// Checks that only white space is left.
    ///
    /// - Throws: ``Failure`` where something else follows.
    public mutating func end() throws(Failure) {
        if peek() != nil { throw failure("the end") }
    }
}

extension JSONReader {
    /// The next byte, white space or not.
    var current: UInt8? { offset < bytes.count ? bytes[offset] : nil }

    func failure(_ wanted: String) -> Failure {
        Failure(offset: offset, message: "wanted \(wanted), found \(found)")
    }

    @inline(__always) mutating func expect(_ byte: UInt8) throws(Failure) {
        guard current == byte else { throw failure("'\(Unicode.Scalar(byte))'") }
        offset += 1
    }

    mutating func word(_ text: String) throws(Failure) {
        guard bytes[offset...].starts(with: text.utf8) else { throw failure("a value") }
        offset += text.utf8.count
    }

    /// What stands at the next byte, for messages.
    private var found: String {
        guard let current else { return "the end" }
        let isPrintable = current > 0x20 && current < 0x7F
        return isPrintable ? "'\(Unicode.Scalar(current))'" : "byte 0x" + String(current, radix: 16, uppercase: true)
    }

    private mutating func begin(_ bracket: UInt8) throws(Failure) {
        try expect(bracket)
        guard depth < Self.maximumDepth else {
            throw Failure(
                offset: offset - 1, message: "wanted values nested at most \(Self.maximumDepth) deep, found more")
        }
        depth += 1
        isAtBeginning = true
    }

    private mutating func advance(closing bracket: UInt8) throws(Failure) -> Bool {
        // What is closed is an element of what it stands in.
        defer { isAtBeginning = false }
        skipSpace()
        if current == bracket {
            offset += 1
            depth -= 1
            return false
        }
        if !isAtBeginning {
            try expect(UInt8(ascii: ","))
            skipSpace()
        }
        return true
    }

    @inline(__always) private mutating func digits() throws(Failure) {
        var end = offset
        while end < bytes.count, bytes[end] &- 0x30 < 10 { end += 1 }
        if end == offset { throw failure("a digit") }
        offset = end
    }

    @inline(__always) private mutating func skipSpace() {
        if offset < bytes.count, bytes[offset] <= 0x20 { passSpace() }
    }

    private mutating func passSpace() {
        var end = offset
        while end < bytes.count, bytes[end] <= 0x20, Self.spaces & 1 << UInt64(bytes[end]) != 0 { end += 1 }
        offset = end
    }

    /// A bit for each byte that is white space.
    private static let spaces: UInt64 = 1 << 0x20 | 1 << 0x0A | 1 << 0x0D | 1 << 0x09
}
