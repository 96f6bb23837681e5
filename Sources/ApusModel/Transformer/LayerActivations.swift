internal import ApusTensor

/// What the inside of each layer computed, in 16 bits: with it the backward pass computes queries again and nothing else.
/// Under the same page numbers as keys and values, [page][layer][position in the page].
final class LayerActivations {
    private let layers: Int
    private let attended: ShortRows
    private let gate: ShortRows
    private let up: ShortRows
    private let logSumExp: Matrix

    init(_ configuration: ModelConfiguration, pages: Int) throws {
        layers = configuration.layerCount
        let rows = pages * layers * KeyValueCache.pageTokens
        attended = try ShortRows(rows: rows, columns: configuration.headCount * configuration.headSize)
        gate = try ShortRows(rows: rows, columns: configuration.intermediateSize)
        up = try ShortRows(rows: rows, columns: configuration.intermediateSize)
        logSumExp = try Matrix(rows: rows, columns: configuration.headCount)
    }

    /// Bytes of one token.
    static func tokenBytes(_ configuration: ModelConfiguration) -> Int {
        let queryWidth = configuration.headCount * configuration.headSize
        let layer =
            ShortRows.rowBytes(columns: queryWidth) + 2 * ShortRows.rowBytes(columns: configuration.intermediateSize)
            + configuration.headCount * MemoryLayout<Float>.stride
        return configuration.layerCount * layer
    }

    /// The rows of slots, as indices into any part of the first layer.
    func rows(of slots: [Int32]) -> [Int] { slots.map(Int.init) }

    /// Output of a layer's attention, all rows.
    func attended(_ layer: Int) -> ShortRows { attended.rows(range(layer)) }

    /// Gate of a layer's feed-forward network before its activation, all rows.
    func gate(_ layer: Int) -> ShortRows { gate.rows(range(layer)) }

    /// The gate's factor, all rows.
    func up(_ layer: Int) -> ShortRows { up.rows(range(layer)) }

    /// Logarithms of the sums that a layer's attention divided by, [row][head].
    func logSumExp(_ layer: Int) -> Matrix { logSumExp.rows(range(layer)) }

    private func range(_ layer: Int) -> Range<Int> { layer * KeyValueCache.pageTokens..<logSumExp.rows }
}
