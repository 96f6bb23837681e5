/// Token ids by the bytes that tokens stand for, and back. All tokens share one buffer and an open-addressing table:
/// a dictionary of 150,000 strings would take ten times the memory and most of the loading time.
struct TokenTable: Sendable {
    private var bytes: [UInt8] = []
    /// Where each token's bytes start; one more entry closes the last.
    private var offsets: [Int32] = [0]
    /// Token ids at their hash, -1 where free; the count is a power of two.
    private var slots: [Int32]
    /// Whether several ids stand for the same bytes.
    private var hasDuplicates = false
    /// The first id that is not looked up.
    private var firstHidden = Int32.max

    /// An empty table that will have about `capacity` tokens: each is appended, then all are indexed.
    init(capacity: Int) {
        var size = 16
        while size < capacity * 2 { size *= 2 }
        slots = [Int32](repeating: -1, count: size)
        offsets.reserveCapacity(capacity + 1)
    }

    /// Gives the next id the bytes that `write` appends; none for an id without a token.
    mutating func append(_ write: (inout [UInt8]) -> Void) {
        write(&bytes)
        offsets.append(Int32(bytes.count))
    }

    /// Makes tokens known by their bytes; called once, after the last one.
    ///
    /// - Parameter isKnown: whether an id is to be found; all are where it is nil.
    mutating func index(where isKnown: ((Int) -> Bool)? = nil) {
        precondition(slots.count >= 2 * count, "\(count) tokens in a table of \(slots.count) places")
        for id in 0..<Int32(count) {
            if isKnown?(Int(id)) == false {
                firstHidden = min(firstHidden, id)
                continue
            }
            let token = bytes(of: id)
            if !token.isEmpty { insert(id, token) }
        }
    }

    var count: Int { offsets.count - 1 }

    /// The bytes of a token; empty where the id has none.
    func bytes(of id: Int32) -> ArraySlice<UInt8> {
        guard id >= 0, Int(id) < count else { return [] }
        return bytes[Int(offsets[Int(id)])..<Int(offsets[Int(id) + 1])]
    }

    /// The token that stands for exactly these bytes; the lowest id where several do.
    func id(of key: ArraySlice<UInt8>) -> Int32? {
        let found = slots[slot(of: key)]
        return found >= 0 ? found : nil
    }

    /// As `id(of:)`, for who knows which token it probably is: comparing with that one is cheaper than looking it up.
    func id(of key: ArraySlice<UInt8>, probably guess: Int32) -> Int32? {
        if !hasDuplicates, guess >= 0, guess < min(Int32(count), firstHidden), !key.isEmpty, holds(guess, key) {
            return guess
        }
        return id(of: key)
    }

    private mutating func insert(_ id: Int32, _ token: ArraySlice<UInt8>) {
        let slot = slot(of: token)
        if slots[slot] < 0 { slots[slot] = id } else { hasDuplicates = true }
    }

    /// Where a token is, or the free slot where it belongs.
    private func slot(of key: ArraySlice<UInt8>) -> Int {
        var slot = hash(key)
        while slots[slot] >= 0, !holds(slots[slot], key) { slot = (slot + 1) & (slots.count - 1) }
        return slot
    }

    /// Whether a token has just these bytes.
    private func holds(_ id: Int32, _ key: ArraySlice<UInt8>) -> Bool {
        let start = Int(offsets[Int(id)])
        guard Int(offsets[Int(id) + 1]) - start == key.count else { return false }
        var at = start
        for byte in key {
            guard bytes[at] == byte else { return false }
            at += 1
        }
        return true
    }

    /// FNV-1a, folded to the table's size.
    private func hash(_ key: ArraySlice<UInt8>) -> Int {
        var state: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in key { state = (state ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return Int((state ^ state >> 32) & UInt64(slots.count - 1))
    }
}
