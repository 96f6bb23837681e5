/// A token that is cut out of the text before anything else looks at it.
struct AddedToken: Sendable, Equatable {
    var id: Int32
    var content: String
    /// Special tokens are left out of decoded text.
    var isSpecial: Bool
    /// Whether it is looked for after the text was normalised.
    var isNormalized = false
    /// What is looked for then, where that is not what normalising makes of the content.
    var normalizedContent: String?
    /// Whether it swallows the white space before it.
    var stripsLeft = false
    /// Whether it swallows the white space behind it.
    var stripsRight = false
    /// Whether it is one only between other words.
    var isWord = false
}

extension AddedToken {
    /// What ends a turn of a conversation or a text in the chat formats there are, as llama.cpp lists them.
    static let turnEnds: Set<String> = [
        "<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|calls|>", "<|flush|>", "<end_of_turn>",
        "<|endoftext|>", "<|end_of_text|>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "<eos>", "<turn|>",
        "<end_of_utterance>", "<｜end▁of▁sentence｜>", "</s>",
    ]
    /// Markers that end nothing and do not look like the others.
    private static let otherMarkers: Set<String> = ["<start_of_turn>", "<|turn>", "<bos>", "<pad>", "<s>"]

    /// Whether a token is a marker of a chat format by what it looks like.
    static func isMarker(_ token: ArraySlice<UInt8>) -> Bool {
        guard let first = token.first, first == 0x3C || first == 0x5B || first == 0x5F, token.count < 100 else {
            return false
        }
        let text = String(decoding: token, as: UTF8.self)
        let isBarred = text.utf8.count > 4 && text.hasPrefix("<|") && text.hasSuffix("|>")
        let isWide = text.hasPrefix("<｜") && text.hasSuffix("｜>") && text.utf8.count > 8
        return isBarred || isWide || turnEnds.contains(text) || otherMarkers.contains(text)
    }
}

/// Finds added tokens in text: the leftmost first, the longest among those that start together.
struct AddedTokenMatcher: Sendable {
    private let tokens: [AddedToken]
    /// Which of the tokens a text begins with.
    private var contents = ByteTrie()
    /// Whether a token begins with the byte.
    private var isFirst = [Bool](repeating: false, count: 256)
    private var isEmpty = true

    init(_ tokens: [AddedToken], normalize: (AddedToken) -> [UInt8] = { Array($0.content.utf8) }) {
        self.tokens = tokens
        // The first of several with the same text counts.
        for (place, token) in tokens.enumerated().reversed() {
            let bytes = normalize(token)
            guard let first = bytes.first, contents.hasRoom(for: bytes.count) else { continue }
            contents.insert(bytes, Int32(place))
            isFirst[Int(first)] = true
            isEmpty = false
        }
    }

    enum Fragment {
        /// A part of the text, and where it began there.
        case text([UInt8], at: Int)
        case token(Int32)
    }

    /// The text cut at added tokens.
    func split(_ text: [UInt8]) -> [Fragment] {
        guard !isEmpty else { return text.isEmpty ? [] : [.text(text, at: 0)] }
        var fragments: [Fragment] = []
        /// Where the text begins that is not given out yet.
        var start = 0
        var index = 0
        while index < text.count {
            guard isFirst[Int(text[index])], let (place, end) = contents.longest(in: text, at: index) else {
                index += 1
                continue
            }
            let token = tokens[Int(place)]
            let range = index..<end
            index = end
            if token.isWord, !text.isWordApart(range) { continue }
            let first = token.stripsLeft ? max(text[..<range.lowerBound].endWithoutSpace, start) : range.lowerBound
            let behind = token.stripsRight ? text[end...].startBehindSpace : end
            if first > start { fragments.append(.text(Array(text[start..<first]), at: start)) }
            // Another one may have swallowed all of it.
            if first < behind { fragments.append(.token(token.id)) }
            start = behind
        }
        if start < text.count { fragments.append(.text(Array(text[start...]), at: start)) }
        return fragments
    }
}

extension [UInt8] {
    /// Whether no letter or the like stands on either side.
    fileprivate func isWordApart(_ range: Range<Int>) -> Bool {
        let before = self[..<range.lowerBound].lastScalar?.isWord ?? false
        let behind = self[range.upperBound...].firstScalar?.isWord ?? false
        return !before && !behind
    }
}

extension ArraySlice<UInt8> {
    /// What valid UTF-8 begins with.
    var firstScalar: Unicode.Scalar? {
        guard let lead = first else { return nil }
        return String(decoding: prefix(lead.scalarLength), as: UTF8.self).unicodeScalars.first
    }

    fileprivate var lastScalar: Unicode.Scalar? {
        String(decoding: suffix(from: lastStart), as: UTF8.self).unicodeScalars.last
    }

    /// Where the last scalar begins.
    private var lastStart: Int {
        var start = endIndex - 1
        while start > startIndex, self[start] & 0xC0 == 0x80 { start -= 1 }
        return Swift.max(start, startIndex)
    }

    /// Where the white space begins that these bytes end with.
    fileprivate var endWithoutSpace: Int {
        var text = self
        while text.lastScalar?.properties.isWhitespace == true { text = text[..<text.lastStart] }
        return text.endIndex
    }

    /// Where the white space ends that these bytes begin with.
    fileprivate var startBehindSpace: Int {
        var text = self
        while let scalar = text.firstScalar, scalar.properties.isWhitespace {
            text = text.dropFirst(scalar.utf8.count)
        }
        return text.startIndex
    }
}
