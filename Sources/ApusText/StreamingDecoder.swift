/// Turns tokens into text while they are being generated, never giving out half a character: a token that ends within
/// one is held back until the rest of it arrives.
///
/// The pieces, joined, are what `Tokenizer.decode` returns for all the tokens.
public struct StreamingDecoder: Sendable {
    private let tokenizer: Tokenizer
    private let skipSpecialTokens: Bool
    private var pending: [UInt8] = []
    /// Of a vocabulary of characters.
    private var pieces: PieceDecoder?

    /// Starts at the beginning of a text.
    public init(tokenizer: Tokenizer, skipSpecialTokens: Bool = true) {
        self.tokenizer = tokenizer
        self.skipSpecialTokens = skipSpecialTokens
        if case .plain(let spelling) = tokenizer.definition.spelling { pieces = PieceDecoder(spelling.decoding) }
    }

    /// Takes the next token and returns the text that is now certain; it may be empty.
    public mutating func append(_ token: Int32) -> String {
        if var decoder = pieces {
            defer { pieces = decoder }
            let text = tokenizer.append(token, skipSpecialTokens: skipSpecialTokens, to: &decoder)
            return String(decoding: text, as: UTF8.self)
        }
        tokenizer.appendBytes(of: token, skipSpecialTokens: skipSpecialTokens, to: &pending)
        let certain = pending.count - Self.unfinishedSuffix(of: pending)
        defer { pending.removeFirst(certain) }
        return String(decoding: pending[..<certain], as: UTF8.self)
    }

    /// Ends the text: bytes that never became a character turn into U+FFFD.
    public mutating func finish() -> String {
        defer { pending = [] }
        if var decoder = pieces {
            defer { pieces = decoder }
            return String(decoding: decoder.finish(), as: UTF8.self)
        }
        return String(decoding: pending, as: UTF8.self)
    }

    /// How many bytes at the end begin a character that more bytes could complete.
    private static func unfinishedSuffix(of bytes: [UInt8]) -> Int {
        for length in 1...3 where length <= bytes.count {
            let suffix = bytes.suffix(length)
            guard let lead = suffix.first, lead & 0xC0 != 0x80 else { continue }
            let needed = lead < 0xC2 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 1
            guard length < needed else { return 0 }
            return length == 1 || isPossible(lead, second: suffix[suffix.startIndex + 1]) ? length : 0
        }
        return 0
    }

    /// Whether a second byte is allowed behind its lead: no overlong forms, no surrogates, nothing above U+10FFFF.
    private static func isPossible(_ lead: UInt8, second: UInt8) -> Bool {
        switch lead {
        case 0xE0: second >= 0xA0
        case 0xED: second < 0xA0
        case 0xF0: second >= 0x90
        case 0xF4: second < 0x90
        default: true
        }
    }
}
