internal import ApusFormats
public import ApusTensor
public import ApusText
internal import Foundation
internal import Synchronization

/// How a model's frozen weights are held in memory.
public enum WeightPrecision: String, Codable, Sendable, CaseIterable {
    /// fp32 weights and fp32 arithmetic: the reference.
    case f32
    /// bf16 weights.
    case bf16
    /// Linear layers in NF4, four bits a weight; embedding and head in 16 bits (QLoRA).
    case nf4

    var linearFormat: WeightFormat {
        switch self {
        case .f32: .f32
        case .bf16: .bf16
        case .nf4: .nf4
        }
    }

    var tableFormat: WeightFormat {
        switch self {
        case .f32: .f32
        case .bf16: .bf16
        case .nf4: .half
        }
    }
}

/// The frozen weights of one layer.
struct LayerWeights: Sendable {
    let inputNorm: Matrix
    let postAttentionNorm: Matrix
    /// Indexed by `LinearModule`.
    let linears: [Weight]
    /// Indexed by `LinearModule`; nil where the module has no bias.
    let biases: [Matrix?]
}

/// A model in memory: frozen weights packed for their kernels, its tokenizer and its shape. Immutable.
public final class LanguageModel: Sendable {
    /// The model's folder or file.
    public let checkpointPath: String
    /// The model's shape.
    public let configuration: ModelConfiguration
    /// Text to tokens and back, with the chat template.
    public let tokenizer: Tokenizer
    /// Tokens that end a completion: the tokenizer's and the generation configuration's.
    public let endTokens: Set<Int32>
    /// How the weights are held.
    public let precision: WeightPrecision
    /// The device.
    package let backend: any Backend
    /// Bytes of packed weights.
    package let weightBytes: Int
    let embedding: TokenEmbedding
    /// The output head, [vocabulary][hidden].
    package let head: Weight
    let layers: [LayerWeights]
    let finalNorm: Matrix
    private let rotary = Mutex<RotaryTable?>(nil)

    /// Loads a model: a Hugging Face folder or a `.gguf` file.
    ///
    /// - Parameters:
    ///   - precision: how to hold the linear layers.
    ///   - backend: the device; nil for the CPU with its best kernels.
    ///   - progress: told the share of layers that are loaded, from 0 to 1.
    /// - Throws: `FormatError`, `TextError` or `TensorError`, each one line that says what to do.
    public convenience init(
        path: String, precision: WeightPrecision = .bf16, backend: (any Backend)? = nil,
        progress: ((Double) -> Void)? = nil
    ) throws {
        let checkpoint = try Checkpoint(path: path)
        let backend = if let backend { backend } else { try CPUBackend() as any Backend }
        let configuration = checkpoint.configuration
        let parts = ModelParts(path: path, configuration: configuration, tokenizer: try checkpoint.makeTokenizer())
        let loader = WeightLoader(checkpoint: checkpoint, backend: backend)
        let tied = configuration.tiesEmbeddings || !checkpoint.contains("lm_head.weight")
        let head = try loader.weight(
            tied ? TokenEmbedding.tensor : "lm_head.weight", precision.tableFormat, configuration.vocabularySize,
            configuration.hiddenSize)
        var layers: [LayerWeights] = []
        for layer in 0..<configuration.layerCount {
            layers.append(try loader.layer(layer, configuration, precision.linearFormat))
            progress?(Double(layer + 1) / Double(configuration.layerCount))
        }
        self.init(
            parts, precision: precision, backend: backend,
            embedding: tied ? .shared(head) : .file(checkpoint, precision.tableFormat), head: head, layers: layers,
            finalNorm: try loader.vector("model.norm.weight", configuration.hiddenSize))
    }

    /// Binds weights that are in memory.
    init(
        _ parts: ModelParts, precision: WeightPrecision, backend: any Backend, embedding: TokenEmbedding, head: Weight,
        layers: [LayerWeights], finalNorm: Matrix
    ) {
        self.embedding = embedding
        self.head = head
        self.layers = layers
        self.finalNorm = finalNorm
        self.backend = backend
        self.precision = precision
        configuration = parts.configuration
        tokenizer = parts.tokenizer
        checkpointPath = parts.path
        endTokens = Set(parts.configuration.endTokens).union(parts.tokenizer.endToken.map { [$0] } ?? [])
        let tableBytes = if case .own(let table) = embedding { table.byteCount } else { 0 }
        weightBytes =
            tableBytes + head.byteCount
            + layers.reduce(0) { $0 + $1.linears.reduce(0) { $0 + $1.byteCount } }
    }

    /// The layout of this model's keys and values.
    package var cacheShape: KeyValueCache.Shape {
        KeyValueCache.Shape(configuration, precision)
    }

    /// Rotation angles of at least `positions` positions; grown on demand, since few runs use a model's whole context.
    func rotaryTable(positions: Int) throws -> RotaryTable {
        try rotary.withLock { table in
            if let table, table.positions >= positions { return table }
            let grown = try RotaryTable(
                inverseFrequencies: configuration.ropeInverseFrequencies(), positions: max(512, positions * 2))
            table = grown
            return grown
        }
    }
}

extension KeyValueCache.Shape {
    /// The layout of a model's keys and values: fp32 where everything is, for comparisons.
    init(_ configuration: ModelConfiguration, _ precision: WeightPrecision) {
        self.init(
            layers: configuration.layerCount, heads: configuration.headCount,
            keyValueHeads: configuration.keyValueHeadCount, headSize: configuration.headSize,
            format: precision == .f32 ? .f32 : .fixed)
    }
}

/// Reads a checkpoint's tensors into a backend's layout.
private struct WeightLoader {
    let checkpoint: Checkpoint
    let backend: any Backend

    func layer(_ layer: Int, _ configuration: ModelConfiguration, _ format: WeightFormat) throws -> LayerWeights {
        var linears: [Weight] = []
        var biases: [Matrix?] = []
        for module in LinearModule.allCases {
            let (outputs, inputs) = module.shape(configuration)
            let path = module.path(layer: layer)
            linears.append(try weight(path + ".weight", format, outputs, inputs))
            biases.append(checkpoint.contains(path + ".bias") ? try vector(path + ".bias", outputs) : nil)
        }
        let prefix = "model.layers.\(layer)."
        return LayerWeights(
            inputNorm: try vector(prefix + "input_layernorm.weight", configuration.hiddenSize),
            postAttentionNorm: try vector(prefix + "post_attention_layernorm.weight", configuration.hiddenSize),
            linears: linears, biases: biases)
    }

    func weight(_ name: String, _ format: WeightFormat, _ outputs: Int, _ inputs: Int) throws -> Weight {
        defer { checkpoint.finish(name) }
        if format == .nf4, let stored = try checkpoint.quantized(name), stored.blockSize == 64 {
            var codes = [UInt8](repeating: 0, count: outputs * inputs)
            for index in codes.indices {
                let byte = stored.codes[index / 2]
                codes[index] = index % 2 == 0 ? byte >> 4 : byte & 15
            }
            return try backend.makeWeight(nf4Codes: codes, scales: stored.absmax, outputs: outputs, inputs: inputs)
        }
        return try backend.makeWeight(format, outputs: outputs, inputs: inputs) { rows, destination in
            try checkpoint.read(name, rows: rows, into: destination)
        }
    }

    func vector(_ name: String, _ count: Int) throws -> Matrix {
        let matrix = try Matrix(rows: 1, columns: count)
        var values = [Float](repeating: 0, count: count)
        try values.withUnsafeMutableBufferPointer { try checkpoint.read(name, rows: 0..<1, into: $0) }
        matrix.values = values
        checkpoint.finish(name)
        return matrix
    }
}
