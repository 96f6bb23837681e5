/// The tokens of single characters, and what stands for a character that is none.
struct CharacterTokens: Sendable {
    /// Of the first plane by its number, -1 where there is none.
    private var basic = [Int32](repeating: -1, count: 0x1_0000)
    private var others: [UInt32: Int32] = [:]
    /// The token of each byte; nil where characters do not fall back to bytes.
    private let byteTokens: [Int32]?
    private let unknown: Int32?
    private let fusesUnknown: Bool

    /// Finds them in a vocabulary.
    init(_ table: TokenTable, _ spelling: PlainSpelling) {
        for id in 0..<Int32(table.count) {
            let bytes = table.bytes(of: id)
            guard (1...4).contains(bytes.count), let scalar = bytes.onlyScalar, table.id(of: bytes) == id else {
                continue
            }
            if scalar < 0x1_0000 { basic[Int(scalar)] = id } else { others[scalar] = id }
        }
        byteTokens = spelling.fallsBackToBytes ? PlainSpelling.byteTokens(in: table) : nil
        unknown = spelling.unknownToken.flatMap { table.id(of: Array($0.utf8)[...]) }
        fusesUnknown = spelling.fusesUnknown
    }

    /// Calls `body` with the tokens of a piece of valid UTF-8 before anything is merged.
    func forEachToken(of piece: ArraySlice<UInt8>, _ body: (Int32) -> Void) {
        var at = piece.startIndex
        var isAfterUnknown = false
        while at < piece.endIndex {
            let lead = piece[at]
            let end = at + (lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4)
            let character = piece[at..<end]
            at = end
            let token = token(of: character)
            if token >= 0 {
                body(token)
                isAfterUnknown = false
            } else if let byteTokens, character.allSatisfy({ byteTokens[Int($0)] >= 0 }) {
                for byte in character { body(byteTokens[Int(byte)]) }
                isAfterUnknown = false
            } else if let unknown {
                if !(fusesUnknown && isAfterUnknown) { body(unknown) }
                isAfterUnknown = true
            }
        }
    }

    private func token(of character: ArraySlice<UInt8>) -> Int32 {
        let scalar = character.scalar
        return scalar < 0x1_0000 ? basic[Int(scalar)] : others[scalar] ?? -1
    }
}

extension ArraySlice<UInt8> {
    /// The scalar that these bytes of valid UTF-8 encode.
    fileprivate var scalar: UInt32 {
        let lead = UInt32(self[startIndex])
        if count == 1 { return lead }
        return dropFirst().reduce(lead & (0x7F >> UInt32(count))) { $0 << 6 | UInt32($1 & 0x3F) }
    }

    /// The scalar, if these bytes encode just one.
    fileprivate var onlyScalar: UInt32? {
        guard let text = String(validating: self, as: UTF8.self), text.unicodeScalars.count == 1 else { return nil }
        return scalar
    }
}
