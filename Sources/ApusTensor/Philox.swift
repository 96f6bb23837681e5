/// Random numbers by counter (Philox4x32-10, Salmon et al. 2011): the number at a place depends on the seed and the
/// place alone, so any order, batch or thread draws the same ones.
public struct Philox: Sendable {
    /// The key of all numbers drawn.
    public let seed: UInt64

    /// A generator; it has no state but its seed.
    public init(seed: UInt64) {
        self.seed = seed
    }

    /// The number in [0, 1), with 53 random bits, of one token: the optimizer step, the sample's index within it and
    /// the position within the completion, of which the last 32 bits count.
    public func uniform(step: Int, sample: Int, position: Int) -> Double {
        let words = words(
            UInt32(truncatingIfNeeded: step), UInt32(truncatingIfNeeded: sample), UInt32(truncatingIfNeeded: position),
            0)
        return Double((UInt64(words.0) << 32 | UInt64(words.1)) >> 11) * 0x1p-53
    }

    /// The four random words at a 128-bit counter.
    public func words(
        _ c0: UInt32, _ c1: UInt32, _ c2: UInt32, _ c3: UInt32
    ) -> (UInt32, UInt32, UInt32, UInt32) {
        var (k0, k1) = (UInt32(truncatingIfNeeded: seed), UInt32(seed >> 32))
        var (c0, c1, c2, c3) = (c0, c1, c2, c3)
        for _ in 0..<10 {
            let a = (0xD251_1F53 as UInt32).multipliedFullWidth(by: c0)
            let b = (0xCD9E_8D57 as UInt32).multipliedFullWidth(by: c2)
            (c0, c1, c2, c3) = (b.high ^ c1 ^ k0, b.low, a.high ^ c3 ^ k1, a.low)
            k0 &+= 0x9E37_79B9
            k1 &+= 0xBB67_AE85
        }
        return (c0, c1, c2, c3)
    }
}
