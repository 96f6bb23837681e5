package import ApusTensor

/// The residual stream where attention and feed-forward of each layer read it, and after the last layer: what the
/// backward pass starts from, under the same page numbers as keys and values.
///
/// Rows are held in 16 bits, 15 of a block's largest value, except beside weights in fp32, which are there to be compared
/// with.
package final class LayerInputs {
    private let layers: Int
    private let streams: KeptRows
    /// What the inside of layers computed, where that is kept too.
    let activations: LayerActivations?

    private static func shape(
        _ configuration: ModelConfiguration, _ precision: WeightPrecision, _ checkpointing: GradientCheckpointing
    ) -> KeptRows.Shape {
        KeptRows.Shape(
            streams: 2 * configuration.layerCount + 1, columns: configuration.hiddenSize, isExact: precision == .f32,
            isOffloaded: checkpointing == .offload)
    }

    /// Bytes of the device that one token takes.
    package static func tokenBytes(
        _ configuration: ModelConfiguration, _ precision: WeightPrecision, _ checkpointing: GradientCheckpointing,
        on backend: any Backend
    ) -> Int {
        backend.positionBytes(shape(configuration, precision, checkpointing))
            + (checkpointing == .none ? LayerActivations.tokenBytes(configuration, on: backend) : 0)
    }

    /// Bytes of the host that one token takes, where that is not the device.
    package static func hostTokenBytes(
        _ configuration: ModelConfiguration, _ precision: WeightPrecision, _ checkpointing: GradientCheckpointing,
        on backend: any Backend
    ) -> Int {
        backend.hostBytes(shape(configuration, precision, checkpointing))
    }

    init(
        _ configuration: ModelConfiguration, _ precision: WeightPrecision, _ checkpointing: GradientCheckpointing,
        pages: Int, on backend: any Backend
    ) throws {
        layers = configuration.layerCount
        streams = try backend.makeKeptRows(Self.shape(configuration, precision, checkpointing), pages: pages)
        activations =
            checkpointing == .none ? try LayerActivations(configuration, pages: pages, on: backend) : nil
    }

    /// All that lies in pages.
    var memories: [PagedMemory] { [streams] + (activations?.memories ?? []) }

    /// One of the residual streams.
    enum Stream {
        /// At the input of a layer's attention.
        case attention(Int)
        /// At the input of a layer's feed-forward network.
        case feedForward(Int)
        /// After the last layer.
        case final
    }

    /// Keeps a stream of a pass's rows.
    func keep(_ x: Matrix, _ pass: Pass, of stream: Stream, backend: any Backend) {
        backend.keep(x, pass, firstRow: 0, in: streams, stream: index(stream))
    }

    /// Brings a stream of a pass's rows back.
    func recall(_ pass: Pass, of stream: Stream, into x: Matrix, backend: any Backend) {
        backend.recall(streams, stream: index(stream), pass, firstRow: 0, into: x)
    }

    private func index(_ stream: Stream) -> Int {
        switch stream {
        case .attention(let layer): 2 * layer
        case .feedForward(let layer): 2 * layer + 1
        case .final: 2 * layers
        }
    }
}
