internal import ApusTensor

/// The residual stream where attention and feed-forward of each layer read it, and after the last layer: what the
/// backward pass starts from, under the same page numbers as keys and values.
///
/// What one page holds for all layers lies together, [page][half layer][position in the page][hidden].
package final class LayerInputs {
    private let layers: Int
    private let storage: Matrix

    /// Residual streams that are kept of one token.
    static func streams(layers: Int) -> Int { 2 * layers + 1 }

    init(layers: Int, pages: Int, width: Int) throws {
        self.layers = layers
        storage = try Matrix(rows: pages * Self.streams(layers: layers) * KeyValueCache.pageTokens, columns: width)
    }

    /// The rows of slots, as indices into any stream.
    func rows(of slots: [Int32]) -> [Int] {
        let size = KeyValueCache.pageTokens
        return slots.map { slot in
            let (page, position) = Int(slot).quotientAndRemainder(dividingBy: layers * size)
            return page * Self.streams(layers: layers) * size + position
        }
    }

    /// All rows at the input of a layer's attention.
    func attention(_ layer: Int) -> Matrix { stream(2 * layer) }

    /// All rows at the input of a layer's feed-forward network.
    func feedForward(_ layer: Int) -> Matrix { stream(2 * layer + 1) }

    /// All rows after the last layer.
    var final: Matrix { stream(2 * layers) }

    private func stream(_ index: Int) -> Matrix { storage.rows(index * KeyValueCache.pageTokens..<storage.rows) }
}
