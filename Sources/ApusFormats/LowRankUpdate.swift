/// What an adapter adds to a weight: `scale * B A`, computed in fp32 row by row.
public struct LowRankUpdate: Sendable {
    private let a: [Float]
    private let b: [Float]
    private let rank: Int
    private let width: Int
    private let scale: Float

    /// An update of a weight of shape `[outputs, inputs]`.
    ///
    /// - Parameters:
    ///   - a: `[rank, inputs]`, row-major.
    ///   - b: `[outputs, rank]`, row-major.
    ///   - rank: at least 1.
    ///   - scale: what the product is multiplied by.
    public init(a: [Float], b: [Float], rank: Int, scale: Float) {
        precondition(
            rank > 0 && a.count % rank == 0 && b.count % rank == 0, "\(a.count) and \(b.count) for rank \(rank)")
        self.a = a
        self.b = b
        self.rank = rank
        self.scale = scale
        width = a.count / rank
    }

    /// Adds the update to some rows of the weight.
    ///
    /// Each element is the weight's value plus `rank` products in order, whatever rows come together.
    ///
    /// - Parameters:
    ///   - values: the rows, `rows.count * inputs` values.
    ///   - rows: which rows of the weight they are.
    public func add(to values: inout [Float], rows: Range<Int>) {
        precondition(values.count == rows.count * width && rows.upperBound * rank <= b.count, "rows \(rows)")
        values.withUnsafeMutableBufferPointer { values in
            a.withUnsafeBufferPointer { a in
                for row in rows {
                    let target = UnsafeMutableBufferPointer(
                        rebasing: values[(row - rows.lowerBound) * width..<(row - rows.lowerBound + 1) * width])
                    for k in 0..<rank {
                        let factor = scale * b[row * rank + k]
                        let source = UnsafeBufferPointer(rebasing: a[k * width..<(k + 1) * width])
                        for i in 0..<width { target[i] += factor * source[i] }
                    }
                }
            }
        }
    }
}
