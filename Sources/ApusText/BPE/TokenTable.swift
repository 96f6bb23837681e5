/// Token ids by the bytes that tokens stand for, and back. All tokens share one buffer and an open-addressing table:
/// a dictionary of 150,000 strings would take ten times the memory and most of the loading time.
struct TokenTable: Sendable {
    private var bytes: [UInt8] = []
    /// Where each token's bytes start; one more entry closes the last.
    private var offsets: [Int32] = [0]
    /// Token ids at their hash, -1 where free; the count is a power of two.
    private var slots: [Int32]

    /// Makes the table of `tokens`, indexed by id; nil where an id has no token.
    init(_ tokens: [[UInt8]?]) {
        var capacity = 16
        while capacity < tokens.count * 2 { capacity *= 2 }
        slots = [Int32](repeating: -1, count: capacity)
        for token in tokens {
            bytes += token ?? []
            offsets.append(Int32(bytes.count))
        }
        for (id, token) in tokens.enumerated() {
            guard let token, !token.isEmpty else { continue }
            insert(Int32(id), token)
        }
    }

    var count: Int { offsets.count - 1 }

    /// The bytes of a token; empty where the id has none.
    func bytes(of id: Int32) -> ArraySlice<UInt8> {
        guard id >= 0, Int(id) < count else { return [] }
        return bytes[Int(offsets[Int(id)])..<Int(offsets[Int(id) + 1])]
    }

    /// The token that stands for exactly these bytes; the lowest id where several do.
    func id(of key: some Collection<UInt8>) -> Int32? {
        var slot = hash(key)
        while slots[slot] >= 0 {
            if self.bytes(of: slots[slot]).elementsEqual(key) { return slots[slot] }
            slot = (slot + 1) & (slots.count - 1)
        }
        return nil
    }

    private mutating func insert(_ id: Int32, _ token: [UInt8]) {
        var slot = hash(token)
        while slots[slot] >= 0 {
            if bytes(of: slots[slot]).elementsEqual(token) { return }
            slot = (slot + 1) & (slots.count - 1)
        }
        slots[slot] = id
    }

    /// FNV-1a, folded to the table's size.
    private func hash(_ key: some Collection<UInt8>) -> Int {
        var state: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in key { state = (state ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return Int((state ^ state >> 32) & UInt64(slots.count - 1))
    }
}
