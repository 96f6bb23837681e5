/// The merges of a vocabulary by the pair of tokens that they join, in an open-addressing table: looking pairs up is
/// most of the work of encoding, and the standard dictionary's hashing is made to withstand attacks, not to be fast.
struct MergeTable: Sendable {
    struct Merge: Sendable {
        /// The place in the list of merges; lower goes first.
        var rank: Int32
        var result: Int32
    }

    private static let free = UInt64.max
    private var keys: [UInt64]
    private var merges: [Merge]
    private let shift: UInt64

    /// - Parameter list: pairs of token ids, none negative, with the token they make; best first. Of several merges of
    ///   one pair the last counts.
    /// - Parameter ranks: those of the merges, where they are not their places in the list.
    init(_ list: [(left: Int32, right: Int32, result: Int32)], ranks: [Int32]? = nil) {
        var bits: UInt64 = 4
        while 1 << bits < list.count * 2 { bits += 1 }
        shift = 64 - bits
        keys = [UInt64](repeating: Self.free, count: 1 << bits)
        merges = [Merge](repeating: Merge(rank: 0, result: 0), count: 1 << bits)
        for (place, merge) in list.enumerated() {
            let slot = slot(of: Self.key(merge.left, merge.right))
            keys[slot] = Self.key(merge.left, merge.right)
            merges[slot] = Merge(rank: ranks?[place] ?? Int32(place), result: merge.result)
        }
    }

    subscript(left: Int32, right: Int32) -> Merge? {
        let slot = slot(of: Self.key(left, right))
        return keys[slot] == Self.free ? nil : merges[slot]
    }

    /// Where the key is, or the free slot where it belongs. At most half of the slots are taken.
    private func slot(of key: UInt64) -> Int {
        var slot = Int((key &* 0x9E37_79B9_7F4A_7C15) >> shift)
        while keys[slot] != key, keys[slot] != Self.free { slot = (slot + 1) & (keys.count - 1) }
        return slot
    }

    private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }
}
