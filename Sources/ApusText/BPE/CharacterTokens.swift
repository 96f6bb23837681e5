/// The tokens of single characters, and what stands for a character that is none.
struct CharacterTokens: Sendable {
    /// Of the first plane by its number, -1 where there is none.
    private var basic = [Int32](repeating: -1, count: 0x1_0000)
    private var others: [UInt32: Int32] = [:]
    /// The token of each byte; nil where characters do not fall back to bytes.
    private let byteTokens: [Int32]?
    private let unknown: UnknownRun

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
        unknown = UnknownRun(
            token: spelling.unknownToken.flatMap { table.id(of: Array($0.utf8)[...]) }, fuses: spelling.fusesUnknown)
    }

    /// Calls `body` with the tokens of a piece of valid UTF-8 before anything is merged.
    func forEachToken(of piece: ArraySlice<UInt8>, _ body: (Int32) -> Void) {
        var at = piece.startIndex
        var unknown = unknown
        while at < piece.endIndex {
            let end = at + piece[at].scalarLength
            let character = piece[at..<end]
            at = end
            let token = token(of: character)
            if token >= 0 {
                unknown.end(body)
                body(token)
            } else if let byteTokens, character.allSatisfy({ byteTokens[Int($0)] >= 0 }) {
                for byte in character { body(byteTokens[Int(byte)]) }
            } else {
                unknown.add(body)
            }
        }
        unknown.end(body)
    }

    private func token(of character: ArraySlice<UInt8>) -> Int32 {
        let scalar = character.scalar
        return scalar < 0x1_0000 ? basic[Int(scalar)] : others[scalar] ?? -1
    }
}

/// What stands for characters that are no tokens. As in the library it comes when a known character follows or the piece ends:
/// bytes to which others fall back go before it.
struct UnknownRun: Sendable {
    private let token: Int32?
    private let fuses: Bool
    private var isPending = false

    init(token: Int32?, fuses: Bool) {
        self.token = token
        self.fuses = fuses
    }

    /// Takes an unknown character.
    @inline(__always) mutating func add(_ body: (Int32) -> Void) {
        if !fuses { end(body) }
        isPending = token != nil
    }

    /// Gives out what is pending.
    @inline(__always) mutating func end(_ body: (Int32) -> Void) {
        guard isPending, let token else { return }
        isPending = false
        body(token)
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
