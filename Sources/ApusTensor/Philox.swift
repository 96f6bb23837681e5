internal import CKernels

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
    /// the position within the completion, each below 2³².
    public func uniform(step: Int, sample: Int, position: Int) -> Double {
        apus_uniform(seed, UInt32(step), UInt32(sample), UInt32(position))
    }

    /// The four random words at a 128-bit counter.
    public func words(
        _ c0: UInt32, _ c1: UInt32, _ c2: UInt32, _ c3: UInt32
    ) -> (UInt32, UInt32, UInt32, UInt32) {
        let counter: [UInt32] = [c0, c1, c2, c3]
        var words: [UInt32] = [0, 0, 0, 0]
        apus_philox(seed, counter, &words)
        return (words[0], words[1], words[2], words[3])
    }
}
