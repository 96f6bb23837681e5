import ApusFormats

/// How the tokens of a vocabulary stand for text.
enum Spelling: Sendable, Equatable {
    /// Every character of a token stands for one byte, as GPT-2 has it.
    case byteLevel
    /// A token is its own text, with a mark for each space, as SentencePiece has it.
    case plain(PlainSpelling)

    /// Appends what a token of the vocabulary, which is part of a larger text, is looked up by.
    func key(of text: [UInt8], _ range: Range<Int>, into key: inout [UInt8]) {
        switch self {
        case .byteLevel: ByteAlphabet.decode(text, range, into: &key)
        case .plain: key += text[range]
        }
    }

    /// What a token is looked up by.
    func key(of token: String) -> [UInt8] {
        var key: [UInt8] = []
        let text = Array(token.utf8)
        self.key(of: text, text.indices, into: &key)
        return key
    }
}

/// A vocabulary of characters and what they merge to.
struct PlainSpelling: Sendable, Equatable {
    /// Whether a character that is no token becomes the tokens of its bytes, such as `<0xE4>`.
    var fallsBackToBytes = false
    /// What stands for a character that is neither; nil where it vanishes.
    var unknownToken: String?
    /// Whether several of them in a row become one.
    var fusesUnknown = false
    /// How tokens become text again.
    var decoding = PieceDecoding()

    /// The token of a byte.
    private static func token(ofByte byte: UInt8) -> String {
        "<0x" + byte.hexadecimal(width: 2, uppercase: true) + ">"
    }

    /// The byte that a token such as `<0xE4>` stands for when it is decoded: there may be several for one.
    static func byte(of token: ArraySlice<UInt8>) -> UInt8? {
        guard token.count == 6, token.starts(with: "<0x".utf8), token.last == UInt8(ascii: ">") else { return nil }
        let digits = token.dropFirst(3).dropLast()
        guard digits.allSatisfy({ $0 < 0x80 && Character(Unicode.Scalar($0)).isHexDigit }) else { return nil }
        return UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
    }

    /// The tokens of all bytes, -1 where the vocabulary lacks one.
    static func byteTokens(in table: TokenTable) -> [Int32] {
        (UInt8.min...UInt8.max).map { table.id(of: Array(token(ofByte: $0).utf8)[...]) ?? -1 }
    }
}
