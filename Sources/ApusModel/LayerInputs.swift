internal import ApusTensor

/// The residual stream at each layer's input and after the last, which the backward pass starts from, under the same
/// page numbers as keys and values.
///
/// What one page holds for all layers lies together, [page][layer][position in the page][hidden].
package final class LayerInputs {
    private let layers: Int
    private let storage: Matrix

    init(layers: Int, pages: Int, width: Int) throws {
        self.layers = layers
        storage = try Matrix(rows: pages * (layers + 1) * KeyValueCache.pageTokens, columns: width)
    }

    /// The rows of slots, as indices into any layer.
    func rows(of slots: [Int32]) -> [Int] {
        let size = KeyValueCache.pageTokens
        return slots.map { slot in
            let (page, position) = Int(slot).quotientAndRemainder(dividingBy: layers * size)
            return page * (layers + 1) * size + position
        }
    }

    /// All rows at a layer's input; number `layers` is what follows the last one.
    func layer(_ layer: Int) -> Matrix { storage.rows(layer * KeyValueCache.pageTokens..<storage.rows) }
}
