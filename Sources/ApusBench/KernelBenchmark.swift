public import ApusCPU
public import ApusTensor

/// Times the kernels behind `Backend` on the shapes of small models, with weights that no cache holds.
///
/// Not thread-safe: it owns the backend while it measures.
public struct KernelBenchmark {
    /// A model whose shapes are measured.
    public struct Model: Sendable {
        /// For people.
        public let name: String
        /// Width of the residual stream.
        public let hiddenSize: Int
        /// Width inside the feed-forward block.
        public let intermediateSize: Int
        /// Layers of the whole model.
        public let layers: Int
        /// Outputs of its head.
        public let vocabularySize: Int
        /// One layer of its attention.
        public let attention: KeyValueCache.Shape
        /// How its queries meet its keys.
        var rule: AttentionRule { AttentionRule(scale: 1 / Float(attention.headSize).squareRoot()) }

        /// SmolLM2-135M.
        public static let smolLM2 = Model(
            name: "SmolLM2-135M", hiddenSize: 576, intermediateSize: 1536, layers: 30, vocabularySize: 49_152,
            attention: KeyValueCache.Shape(layers: 1, heads: 9, keyValueHeads: 3, headSize: 64, format: .fixed))
        /// Qwen2.5-0.5B.
        public static let qwen = Model(
            name: "Qwen2.5-0.5B", hiddenSize: 896, intermediateSize: 4864, layers: 24, vocabularySize: 151_936,
            attention: KeyValueCache.Shape(layers: 1, heads: 14, keyValueHeads: 2, headSize: 64, format: .fixed))
    }

    /// Which of the two passes.
    public enum Direction: String, Sendable {
        /// Outputs from inputs.
        case forward
        /// The gradient by the inputs.
        case backward
    }

    /// The time of one matrix product.
    public struct Product: Sendable {
        /// How the weight is stored.
        public let format: WeightFormat
        /// Which pass.
        public let direction: Direction
        /// Rows of the activations.
        public let rows: Int
        /// Columns of the weight.
        public let inputs: Int
        /// Rows of the weight.
        public let outputs: Int
        /// Bytes of the packed weight.
        public let weightBytes: Int
        /// Median over the repetitions.
        public let seconds: Double

        /// Multiplications and additions a nanosecond, of the product as it is defined.
        public var gigaflops: Double { 2 * Double(rows) * Double(inputs) * Double(outputs) / seconds / 1e9 }
        /// Weight bytes a nanosecond.
        public var weightGigabytesPerSecond: Double { Double(weightBytes) / seconds / 1e9 }
    }

    /// The time of one layer's attention: over a group of completions of one prompt, or in a step of decoding.
    public struct Attention: Sendable {
        /// Name of the model whose heads these are.
        public let model: String
        /// Which pass.
        public let direction: Direction
        /// Query rows.
        public let rows: Int
        /// Keys that each row sees in a step of decoding, of a sequence of its own; nil in a group.
        public let context: Int?
        /// Bytes of the pages that a step of decoding reads; nil in a group, which finds them in cache.
        public let bytes: Double?
        /// Multiplications and additions, counting only keys that a row may see.
        public let operations: Double
        /// Median over the repetitions.
        public let seconds: Double

        /// Multiplications and additions a nanosecond.
        public var gigaflops: Double { operations / seconds / 1e9 }
    }

    let backend: CPUBackend
    let repetitions: Int

    /// A benchmark on the threads and the instruction set of a backend.
    ///
    /// - Parameter repetitions: timed calls of each product, at least; more where calls are short. The median counts.
    public init(backend: CPUBackend, repetitions: Int) {
        precondition(repetitions > 0, "a median needs a value")
        self.backend = backend
        self.repetitions = repetitions
    }

    /// The median time of one call of `body`, which is told the number of the call; the first two are not counted.
    func medianSeconds(_ body: (_ call: Int) -> Void) -> Double {
        for call in 0..<2 { body(call) }
        var times: [Double] = []
        var total = 0.0
        while times.count < repetitions || total < 0.05 && times.count < 100 {
            let call = times.count + 2
            let seconds = elapsedSeconds { body(call) }
            times.append(seconds)
            total += seconds
        }
        times.sort()
        return (times[(times.count - 1) / 2] + times[times.count / 2]) / 2
    }

    /// A matrix of fixed numbers between -1 and 1 times `size`.
    static func numbers(rows: Int, columns: Int, size: Float = 1) throws(TensorError) -> Matrix {
        let matrix = try Matrix(rows: rows, columns: columns)
        fill(UnsafeMutableBufferPointer(start: matrix.pointer, count: rows * columns), size: size)
        return matrix
    }

    /// Fixed numbers between -size and size without a pattern that a kernel could profit from.
    static func fill(_ values: UnsafeMutableBufferPointer<Float>, size: Float) {
        var state: UInt32 = 2024
        for index in values.indices {
            state = state &* 1_664_525 &+ 1_013_904_223
            values[index] = size * (Float(state >> 8) / 8_388_608 - 1)
        }
    }
}
