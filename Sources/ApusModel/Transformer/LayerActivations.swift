internal import ApusTensor

/// What the inside of each layer computed, in 16 bits: with it the backward pass computes queries again and nothing else.
/// Under the same page numbers as keys and values, a stream a layer.
final class LayerActivations {
    /// Output of a layer's attention.
    let attended: KeptRows
    /// Logarithms of the sums that a layer's attention divided by, a head's each.
    let logSumExp: KeptRows
    /// Gate of a layer's feed-forward network before its activation.
    let gate: KeptRows
    /// The gate's factor.
    let up: KeptRows

    private struct Shapes {
        let attended, logSumExp, feedForward: KeptRows.Shape

        init(_ configuration: ModelConfiguration) {
            func shape(_ columns: Int, isExact: Bool = false) -> KeptRows.Shape {
                KeptRows.Shape(streams: configuration.layerCount, columns: columns, isExact: isExact)
            }
            attended = shape(configuration.queryWidth)
            logSumExp = shape(configuration.headCount, isExact: true)
            feedForward = shape(configuration.intermediateSize)
        }
    }

    init(_ configuration: ModelConfiguration, pages: Int, on backend: any Backend) throws {
        let shapes = Shapes(configuration)
        attended = try backend.makeKeptRows(shapes.attended, pages: pages)
        logSumExp = try backend.makeKeptRows(shapes.logSumExp, pages: pages)
        gate = try backend.makeKeptRows(shapes.feedForward, pages: pages)
        up = try backend.makeKeptRows(shapes.feedForward, pages: pages)
    }

    /// All that lies in pages.
    var memories: [PagedMemory] { [attended, logSumExp, gate, up] }

    /// Bytes of one token.
    static func tokenBytes(_ configuration: ModelConfiguration, on backend: any Backend) -> Int {
        let shapes = Shapes(configuration)
        return backend.positionBytes(shapes.attended) + backend.positionBytes(shapes.logSumExp)
            + 2 * backend.positionBytes(shapes.feedForward)
    }
}
