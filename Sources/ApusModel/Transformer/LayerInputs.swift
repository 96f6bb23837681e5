internal import ApusTensor

/// The residual stream where attention and feed-forward of each layer read it, and after the last layer: what the
/// backward pass starts from, under the same page numbers as keys and values.
///
/// What one page holds for all layers lies together, [page][half layer][position in the page][hidden]. Rows are held in 16
/// bits, 15 of a block's largest value, except beside weights in fp32, which are there to be compared with.
package final class LayerInputs {
    private let layers: Int
    private let storage: Held
    /// What the inside of layers computed, where that is kept too.
    let activations: LayerActivations?

    private enum Held {
        case exact(Matrix)
        case short(ShortRows)
    }

    /// Residual streams that are kept of one token.
    private static func streams(layers: Int) -> Int { 2 * layers + 1 }

    /// Bytes of one token.
    package static func tokenBytes(_ configuration: ModelConfiguration, _ precision: WeightPrecision, activations: Bool)
        -> Int
    {
        let width = configuration.hiddenSize
        let row = precision == .f32 ? width * MemoryLayout<Float>.stride : ShortRows.rowBytes(columns: width)
        return streams(layers: configuration.layerCount) * row
            + (activations ? LayerActivations.tokenBytes(configuration) : 0)
    }

    init(_ configuration: ModelConfiguration, _ precision: WeightPrecision, pages: Int, activations: Bool) throws {
        layers = configuration.layerCount
        let rows = pages * Self.streams(layers: layers) * KeyValueCache.pageTokens
        storage =
            precision == .f32
            ? .exact(try Matrix(rows: rows, columns: configuration.hiddenSize))
            : .short(try ShortRows(rows: rows, columns: configuration.hiddenSize))
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

    /// One of the residual streams.
    enum Stream {
        /// At the input of a layer's attention.
        case attention(Int)
        /// At the input of a layer's feed-forward network.
        case feedForward(Int)
        /// After the last layer.
        case final
    }

    /// Keeps rows of a stream.
    func keep(_ x: Matrix, _ rows: [Int], of stream: Stream, backend: any Backend) {
        switch storage {
        case .exact(let held): backend.scatter(x, rows, into: held.rows(first(stream)..<held.rows))
        case .short(let held): backend.scatter(x, rows, into: held.rows(first(stream)..<held.rows))
        }
    }

    /// Brings rows of a stream back.
    func read(_ rows: [Int], of stream: Stream, into x: Matrix, backend: any Backend) {
        switch storage {
        case .exact(let held): backend.gather(held.rows(first(stream)..<held.rows), rows, into: x)
        case .short(let held): backend.gather(held.rows(first(stream)..<held.rows), rows, into: x)
        }
    }

    private func first(_ stream: Stream) -> Int {
        let index =
            switch stream {
            case .attention(let layer): 2 * layer
            case .feedForward(let layer): 2 * layer + 1
            case .final: 2 * layers
            }
        return index * KeyValueCache.pageTokens
    }
}
