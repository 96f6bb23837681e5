/// An array of texts in one buffer: a vocabulary has 150,000 of them, and as strings each would be a piece of memory.
public struct TextArray: Sendable, Equatable, RandomAccessCollection, ExpressibleByArrayLiteral {
    /// The UTF-8 of all texts, one behind the other.
    public private(set) var bytes: [UInt8] = []
    /// Where each text ends in it.
    public private(set) var ends: [Int] = []

    /// The texts of a literal.
    public init(arrayLiteral elements: String...) {
        for text in elements {
            bytes += text.utf8
            ends.append(bytes.count)
        }
    }

    /// Takes texts that are known to be valid UTF-8, each of them.
    init(bytes: [UInt8], ends: [Int]) {
        self.bytes = bytes
        self.ends = ends
    }

    /// The first place.
    public var startIndex: Int { 0 }
    /// The place behind the last text.
    public var endIndex: Int { ends.count }

    /// The text at a place.
    public subscript(position: Int) -> String {
        String(decoding: bytes[(position == 0 ? 0 : ends[position - 1])..<ends[position]], as: UTF8.self)
    }
}

extension ByteReader {
    /// `u64 count | texts`, each `u64 length | UTF-8`.
    mutating func textArray(_ what: String) throws(FormatError) -> TextArray {
        let start = self
        let count = try count(minimumSize: 8, what)
        var text: [UInt8] = []
        var ends: [Int] = []
        ends.reserveCapacity(count)
        var areValid = true
        for _ in 0..<count {
            let length = try self.count(minimumSize: 1, "length of \(what)")
            let part = try slice(length, what)
            areValid = areValid && isWellFormedUTF8(part)
            text += part
            ends.append(text.count)
        }
        if !areValid {
            // Once more, for the error that tells which text it is.
            self = start
            _ = try self.count(minimumSize: 8, what)
            for _ in 0..<count { _ = try string(what) }
        }
        return TextArray(bytes: text, ends: ends)
    }
}

/// Whether bytes are UTF-8 without errors. By hand because the standard library's check makes a string of each text.
func isWellFormedUTF8(_ bytes: UnsafeRawBufferPointer) -> Bool {
    var at = 0
    while at < bytes.count {
        let lead = bytes[at]
        let (following, second): (Int, ClosedRange<UInt8>) =
            switch lead {
            case 0x00...0x7F: (0, 0...0)
            case 0xC2...0xDF: (1, 0x80...0xBF)
            case 0xE0: (2, 0xA0...0xBF)
            case 0xED: (2, 0x80...0x9F)
            case 0xE1...0xEF: (2, 0x80...0xBF)
            case 0xF0: (3, 0x90...0xBF)
            case 0xF1...0xF3: (3, 0x80...0xBF)
            case 0xF4: (3, 0x80...0x8F)
            default: (4, 0...0)
            }
        guard following < 4, following < bytes.count - at else { return false }
        if following > 0, !second.contains(bytes[at + 1]) { return false }
        if following > 1, bytes[at + 2] & 0xC0 != 0x80 { return false }
        if following > 2, bytes[at + 3] & 0xC0 != 0x80 { return false }
        at += following + 1
    }
    return true
}
