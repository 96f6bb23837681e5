/// Texts in one buffer: a vocabulary has 150,000 of them, and as strings each would be a piece of memory.
package struct PackedTexts: Sendable, Equatable, RandomAccessCollection {
    /// The UTF-8 of all texts, one behind the other.
    private(set) var bytes: [UInt8] = []
    /// Where each text ends in it.
    private var ends: [Int] = []

    /// Copies texts.
    package init(_ texts: some Sequence<String>) {
        for text in texts { append(text) }
    }

    /// Takes texts that lie in one buffer already.
    package init(bytes: [UInt8], ends: [Int]) {
        precondition(ends.last ?? 0 == bytes.count, "texts end where the buffer does")
        self.bytes = bytes
        self.ends = ends
    }

    /// The first place.
    package var startIndex: Int { 0 }
    /// The place behind the last text.
    package var endIndex: Int { ends.count }

    /// The text at a place.
    package subscript(position: Int) -> String { String(decoding: bytes[range(position)], as: UTF8.self) }

    /// Adds a text at the end.
    package mutating func append(_ text: String) {
        bytes += text.utf8
        ends.append(bytes.count)
    }

    /// Adds two texts with a byte between them that no text has.
    mutating func append(_ left: some StringProtocol, _ right: some StringProtocol, separator: UInt8) {
        bytes += left.utf8
        bytes.append(separator)
        bytes += right.utf8
        ends.append(bytes.count)
    }

    /// Lends the UTF-8 of each text in turn.
    func forEachText(_ body: (_ position: Int, _ bytes: ArraySlice<UInt8>) -> Void) {
        for position in indices { body(position, bytes[range(position)]) }
    }

    /// Where the text at a place lies in the buffer.
    func range(_ position: Int) -> Range<Int> { (position == 0 ? 0 : ends[position - 1])..<ends[position] }
}
