/// Steele, Lea and Flood's SplitMix64 (OOPSLA 2014): 64 bits of state, every output a bijection of a counter.
///
/// Used for data that must be the same on every machine and in every release; tokens are sampled by another generator.
package struct SplitMix64: RandomNumberGenerator {
    private var state: UInt64

    /// The stream that begins after this state.
    package init(seed: UInt64) { state = seed }

    /// An independent stream for each index under one seed, so that any element can be made without the ones before it.
    init(seed: UInt64, stream index: UInt64) {
        // Mixed twice: neighbouring states would give the same sequence shifted by one.
        state = Self.mix(Self.mix(seed &+ Self.increment) &+ index)
    }

    /// The next 64 random bits.
    package mutating func next() -> UInt64 {
        state &+= Self.increment
        return Self.mix(state)
    }

    /// A number of a closed range, each equally likely (Lemire's multiplication with rejection).
    mutating func integer(in range: ClosedRange<Int>) -> Int {
        let count = UInt64(range.upperBound - range.lowerBound + 1)
        let threshold = (0 &- count) % count
        while true {
            let product = next().multipliedFullWidth(by: count)
            if product.low >= threshold { return range.lowerBound + Int(product.high) }
        }
    }

    /// One of the elements, each equally likely.
    mutating func element<C: RandomAccessCollection<Element>, Element>(of choices: C) -> Element where C.Index == Int {
        choices[choices.startIndex + integer(in: 0...choices.count - 1)]
    }

    private static let increment: UInt64 = 0x9E37_79B9_7F4A_7C15

    private static func mix(_ value: UInt64) -> UInt64 {
        var z = value
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
