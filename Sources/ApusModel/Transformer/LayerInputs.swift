internal import ApusTensor

/// The residual stream where attention and feed-forward of each layer read it, and after the last layer: what the
/// backward pass starts from, under the same page numbers as keys and values.
///
/// What one page holds for all layers lies together, [page][half layer][position in the page][hidden].
package final class LayerInputs {
    private let layers: Int
    private let storage: Matrix
    /// What the inside of layers computed, where that is kept too.
    let activations: LayerActivations?

    /// Residual streams that are kept of one token.
    private static func streams(layers: Int) -> Int { 2 * layers + 1 }

    /// Bytes of one token.
    static func tokenBytes(_ configuration: ModelConfiguration, activations: Bool) -> Int {
        let inputs = streams(layers: configuration.layerCount) * configuration.hiddenSize * MemoryLayout<Float>.stride
        return inputs + (activations ? LayerActivations.tokenBytes(configuration) : 0)
    }

    init(_ configuration: ModelConfiguration, pages: Int, activations: Bool) throws {
        layers = configuration.layerCount
        storage = try Matrix(
            rows: pages * Self.streams(layers: layers) * KeyValueCache.pageTokens, columns: configuration.hiddenSize)
        self.activations = activations ? try LayerActivations(configuration, pages: pages) : nil
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
