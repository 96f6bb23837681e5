internal import ApusCPU
internal import ApusTensor

/// What a step of decoding or of training asks of the machine, part by part: counts alone, which follow from the shapes.
///
/// Left out, because little: the embedding, writing keys and values, the optimizer.
public struct StepModel: Sendable {
    /// Arithmetic and memory traffic that no way of computing the same thing avoids.
    public struct Work: Sendable, Equatable {
        /// Multiplications and additions that dot products of 16-bit pairs may form.
        public var pairOperations = 0.0
        /// The other ones, in fp32; an exponential counts as one.
        public var operations = 0.0
        /// Bytes that come from memory or go there.
        public var bytes = 0.0

        /// The shortest time that a machine could take: arithmetic or memory, whichever is slower.
        public func limit(_ peaks: MachinePeaks) -> Double {
            let arithmetic = pairOperations / peaks.allThreads.pairDot + operations / peaks.allThreads.multiplyAdd
            return max(arithmetic, bytes / peaks.allThreadsRead) / 1e9
        }
    }

    /// Which step.
    public enum Kind: Sendable, Equatable {
        /// One token more of each of so many sequences, without an adapter.
        case decoding(sequences: Int)
        /// The gradient of an adapter on all seven linear modules, from rows that the sampler kept.
        case training
    }

    /// Where a step's time goes. The last two happen inside the others.
    public enum Part: String, Sendable, CaseIterable {
        /// Linear layers, with their adapters in training.
        case products
        /// The head: logits, or their gradient.
        case head
        /// Attention, forwards and in training backwards too.
        case attention
        /// Norms, gate, rotation, and copies of rows.
        case rows = "norms and gate"
        /// Drawing a token from each row of logits, and scoring it.
        case sampling
        /// Rounding rows for products.
        case rounding
        /// Handing work to the other threads and waiting until they have begun and ended.
        case handOver = "hand-over"

        /// Whether the other parts' times include this one's, so that it is not added again.
        public var isContained: Bool { self == .rounding || self == .handOver }
    }

    /// An operation over rows, so often in each layer.
    struct RowCall: Equatable {
        let operation: RowOperation
        let columns: Int
        let calls: Int
    }

    /// Keys that a decoded token sees.
    static let context = 212
    /// Rank of the adapter that is trained.
    static let rank = 32
    /// Runs of the thread pool in a layer besides those of operations over rows: four products, and attention. In training
    /// a gradient is two, inputs' and adapters', and attention has one as well.
    private static let runsPerLayer = (decoding: 5, training: 14)

    let model: KernelBenchmark.Model
    /// Which step.
    public let kind: Kind
    /// Bytes of a layer's packed weights and of the head's.
    let weightBytes: (layer: Int, head: Int)

    var rows: Int {
        switch kind {
        case .decoding(let sequences): sequences
        case .training: GroupLayout.benchmark.rows
        }
    }

    /// The smallest work of a part; nil for one that this step does not have.
    public func work(_ part: Part) -> Work? {
        switch part {
        case .products: kind == .training ? trainingProducts : decodingProducts
        case .head: head
        case .attention: kind == .training ? trainingAttention : decodingAttention
        case .rows: work(rowCalls)
        case .sampling: kind == .training ? nil : work([sampling], layers: 1)
        case .rounding: work(roundingCalls)
        case .handOver: Work()
        }
    }
}

// MARK: Products

extension StepModel {
    private var decodingProducts: Work {
        let weights = Double(model.layers * model.layerWeights)
        return Work(pairOperations: 2 * Double(rows) * weights, bytes: Double(model.layers * weightBytes.layer))
    }

    /// What is computed again, the gradients by the inputs, and the adapter: its projection of the inputs, its addition
    /// where outputs are computed again, two products back, and in fp32 the gradients of both its matrices.
    private var trainingProducts: Work {
        var (weights, narrow, adapter) = (0, 0, 0)
        for call in model.layerCalls {
            for module in call.modules {
                let again = module.isComputedAgain ? 1 : 0
                weights += (1 + again) * call.inputs * module.outputs
                narrow += Self.rank * (2 * call.inputs + (1 + again) * module.outputs)
                adapter += Self.rank * (call.inputs + module.outputs)
            }
        }
        let perRow = 2 * Double(rows * model.layers)
        return Work(
            pairOperations: perRow * Double(weights + narrow), operations: perRow * Double(adapter),
            bytes: Double(model.layers * weightBytes.layer))
    }

    /// Logits of each row; in training of each token, and from them the gradient of the hidden state.
    private var head: Work {
        let products = kind == .training ? 2 * GroupLayout.benchmark.targets : rows
        return Work(
            pairOperations: 2 * Double(products) * Double(model.hiddenSize * model.vocabularySize),
            bytes: Double(weightBytes.head))
    }
}

// MARK: Attention

extension StepModel {
    /// A visible key costs a product with the query and one with its probability.
    private var decodingAttention: Work {
        let layers = Double(model.layers)
        let operations = KernelBenchmark.decodingOperations(model, rows: rows, context: Self.context)
        let bytes = KernelBenchmark.decodingBytes(model, rows: rows, context: Self.context)
        return Work(pairOperations: layers * operations, bytes: layers * bytes)
    }

    /// Forwards two products a key, backwards five, of which the scores alone are formed in pairs.
    private var trainingAttention: Work {
        let pairs = Double(model.layers) * GroupLayout.benchmark.keys * Double(model.queryWidth)
        return Work(pairOperations: 6 * pairs, operations: 8 * pairs)
    }
}

// MARK: Rows

extension StepModel {
    var sampling: RowCall { RowCall(operation: .sampling, columns: model.vocabularySize, calls: 1) }

    /// Operations over rows of a layer.
    var rowCalls: [RowCall] {
        let (hidden, middle) = (model.hiddenSize, model.intermediateSize)
        guard kind == .training else {
            return [
                RowCall(operation: .addNorm, columns: hidden, calls: 2),
                RowCall(operation: .gate, columns: middle, calls: 1),
                RowCall(operation: .rotation, columns: model.queryWidth, calls: 1),
                RowCall(operation: .rotation, columns: model.keyWidth, calls: 1),
            ]
        }
        return [
            RowCall(operation: .copy, columns: hidden, calls: 2),
            RowCall(operation: .norm, columns: hidden, calls: 2),
            RowCall(operation: .normBackward, columns: hidden, calls: 2),
            RowCall(operation: .gate, columns: middle, calls: 1),
            RowCall(operation: .gateBackward, columns: middle, calls: 1),
            RowCall(operation: .rotation, columns: model.queryWidth, calls: 2),
            RowCall(operation: .rotation, columns: model.keyWidth, calls: 1),
        ]
    }

    /// The rows that enter a layer's products: inputs, and in training the gradients of outputs.
    var roundingCalls: [RowCall] {
        model.layerCalls.flatMap { call in
            [RowCall(operation: .rounding, columns: call.inputs, calls: 1)]
                + (kind == .training
                    ? call.modules.map { RowCall(operation: .rounding, columns: $0.outputs, calls: 1) } : [])
        }
    }

    /// The rounding that others are reckoned from, by values.
    var widestRounding: RowCall { RowCall(operation: .rounding, columns: model.intermediateSize, calls: 1) }

    /// Runs of the thread pool that another thread takes part in.
    var runs: Int {
        let each = kind == .training ? Self.runsPerLayer.training : Self.runsPerLayer.decoding + (sharesWriting ? 1 : 0)
        let calls = (rowCalls + roundingCalls).filter { $0.operation.isShared(rows: rows, columns: $0.columns) }
        let sampled = kind != .training && rows > 1 ? 1 : 0
        return model.layers * (each + calls.reduce(0) { $0 + $1.calls }) + 1 + sampled
    }

    /// Whether other threads take part in writing keys and values.
    private var sharesWriting: Bool {
        rows > 1 && CPUBackend.writingWeight * rows * model.keyWidth >= CPUBackend.leastSharedWork
    }

    private func work(_ calls: [RowCall]) -> Work { work(calls, layers: model.layers) }

    /// Rows of activations are in cache; the rows that the sampler kept of every layer, which are copied, are not.
    private func work(_ calls: [RowCall], layers: Int) -> Work {
        calls.reduce(into: Work()) { sum, call in
            let values = Double(layers * call.calls * rows * call.columns)
            sum.operations += values * call.operation.operations
            if call.operation == .copy { sum.bytes += values * Double(MemoryLayout<Float>.stride) }
        }
    }
}
