import ApusData

/// The order in which a generation batch's rows are trained on: a function of seed and generation alone.
enum RowShuffle {
    /// A random order of `0..<count`.
    static func order(count: Int, generation: Int, seed: Int) -> [Int] {
        var generator = SplitMix64(
            seed: UInt64(truncatingIfNeeded: seed) &* 0x9e37_79b9_7f4a_7c15 ^ UInt64(generation))
        var order = Array(0..<count)
        for last in stride(from: count - 1, to: 0, by: -1) {
            order.swapAt(last, Int(generator.next() % UInt64(last + 1)))
        }
        return order
    }
}
