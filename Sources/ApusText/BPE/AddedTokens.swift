/// A token that is cut out of the text before anything else looks at it.
struct AddedToken: Sendable, Equatable {
    var id: Int32
    var content: String
    /// Special tokens are left out of decoded text.
    var isSpecial: Bool
    /// Whether it is looked for after the text was normalised.
    var isNormalized = false
    /// Whether it swallows the white space before it.
    var stripsLeft = false
    /// Whether it swallows the white space behind it.
    var stripsRight = false
}

/// Finds added tokens in text: the leftmost first, the longest among those that start together.
struct AddedTokenMatcher: Sendable {
    private struct Entry: Sendable {
        var bytes: [UInt8]
        var token: AddedToken
    }

    /// Entries by their first byte, longest first.
    private var buckets = [[Entry]](repeating: [], count: 256)
    private let isEmpty: Bool

    init(_ tokens: [AddedToken], normalize: (String) -> [UInt8] = { Array($0.utf8) }) {
        let entries = tokens.map { Entry(bytes: normalize($0.content), token: $0) }
            .filter { !$0.bytes.isEmpty }
        for entry in entries { buckets[Int(entry.bytes[0])].append(entry) }
        for index in buckets.indices { buckets[index].sort { $0.bytes.count > $1.bytes.count } }
        isEmpty = entries.isEmpty
    }

    enum Fragment {
        case text([UInt8])
        case token(Int32)
    }

    /// The text cut at added tokens.
    func split(_ text: [UInt8]) -> [Fragment] {
        guard !isEmpty else { return text.isEmpty ? [] : [.text(text)] }
        var fragments: [Fragment] = []
        var start = 0
        var index = 0
        while index < text.count {
            guard let entry = match(in: text, at: index) else {
                index += 1
                continue
            }
            var end = index + entry.bytes.count
            if entry.token.stripsLeft { while index > start, Self.isSpace(text[index - 1]) { index -= 1 } }
            if entry.token.stripsRight { while end < text.count, Self.isSpace(text[end]) { end += 1 } }
            if index > start { fragments.append(.text(Array(text[start..<index]))) }
            fragments.append(.token(entry.token.id))
            start = end
            index = end
        }
        if start < text.count { fragments.append(.text(Array(text[start...]))) }
        return fragments
    }

    private func match(in text: [UInt8], at index: Int) -> Entry? {
        let bucket = buckets[Int(text[index])]
        if bucket.isEmpty { return nil }
        return bucket.first { text[index...].starts(with: $0.bytes) }
    }

    private static func isSpace(_ byte: UInt8) -> Bool {
        byte == 0x20 || (0x09...0x0D).contains(byte)
    }
}
