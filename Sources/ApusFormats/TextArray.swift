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
        var isCutBetweenScalars = true
        for _ in 0..<count {
            let length = try self.count(minimumSize: 1, "length of \(what)")
            let part = try slice(length, what)
            if let first = part.first, first & 0xC0 == 0x80 { isCutBetweenScalars = false }
            text += part
            ends.append(text.count)
        }
        // All of it at once: what is valid as a whole and cut between scalars is valid in every part.
        if !isCutBetweenScalars || String(validating: text, as: UTF8.self) == nil {
            self = start
            _ = try self.count(minimumSize: 8, what)
            for _ in 0..<count { _ = try string(what) }
        }
        return TextArray(bytes: text, ends: ends)
    }
}
