import ApusTables

extension Dataset {
    /// Splits rows off for evaluation: drawn at random by a seed, in their order in the data set, as the rest is in its.
    ///
    /// - Parameters:
    ///   - size: How many rows; below 1, a share of all rows, rounded up.
    ///   - seed: Picks the rows; the same seed picks the same rows.
    /// - Throws: ``DataError`` when one of the two parts would be empty.
    public func splittingOff(_ size: Double, seed: Int) throws(DataError) -> (training: Dataset, evaluation: Dataset) {
        let rows = size < 1 ? (size * Double(count)).rounded(.up) : size.rounded(.down)
        guard rows >= 1, rows < Double(count) else {
            throw DataError(
                .empty, file: "eval_size",
                message:
                    "wanted 1 to \(count - 1) of the \(count) rows for evaluation, found \(size); leave rows for both")
        }
        var generator = SplitMix64(seed: UInt64(truncatingIfNeeded: seed), stream: 0x7370_6C69_74)
        var order = Array(samples.indices)
        for last in stride(from: order.count - 1, to: 0, by: -1) {
            order.swapAt(last, generator.integer(in: 0...last))
        }
        let chosen = Set(order.prefix(rows.wholeNumber(in: 0...order.count)))
        return (
            Dataset(samples: samples.indices.filter { !chosen.contains($0) }.map { samples[$0] }),
            Dataset(samples: chosen.sorted().map { samples[$0] })
        )
    }
}
