public import ApusTensor
public import ApusText
internal import Synchronization

/// How a model's frozen weights are held in memory.
public enum WeightPrecision: String, Codable, Sendable, CaseIterable {
    /// fp32 weights and fp32 arithmetic: the reference.
    case f32
    /// bf16 weights.
    case bf16
    /// Integers of 8 bits with a scale for every 32: exactly what GGUF's Q8_0, Q5_0 and Q4_0 hold, nearly what others do.
    case int8
    /// Linear layers in NF4, four bits a weight (QLoRA); embedding and head in 16 bits, or 8 where the file has no more.
    case nf4

    /// Whether packing costs more than reading the result from a file, which is small.
    var isQuantized: Bool { self == .int8 || self == .nf4 }

    /// The form of the linear layers.
    package var linearFormat: WeightFormat {
        switch self {
        case .f32: .f32
        case .bf16: .bf16
        case .int8: .int8
        case .nf4: .nf4
        }
    }

    /// The form of the head, and of the embedding table that it shares.
    package func headFormat(_ configuration: ModelConfiguration) -> WeightFormat {
        switch self {
        case .f32: .f32
        case .bf16: .bf16
        // Rounded to 8 bits a head would cost as much in log-probability as bf16 arithmetic; to 13 bits, a tenth of it.
        case .int8, .nf4: configuration.hasHeadIn8Bits ? .int8 : .half
        }
    }
}

/// The frozen weights of a model.
struct ModelWeights: Sendable {
    let embedding: TokenEmbedding
    let head: Weight
    let layers: [LayerWeights]
    let finalNorm: Matrix
}

/// The frozen weights of one layer.
struct LayerWeights: Sendable {
    /// What the layer computes with them.
    let plan: LayerPlan
    // Arrays by the numbers of places and modules: dictionaries would be looked up some thirty times a layer and pass.
    private var norms = [Matrix?](repeating: nil, count: NormPosition.allCases.count)
    private var linears = [Weight?](repeating: nil, count: LinearModule.allCases.count)
    private var biases = [Matrix?](repeating: nil, count: LinearModule.allCases.count)

    /// A layer whose weights are yet to be set.
    init(_ plan: LayerPlan) { self.plan = plan }

    /// The gain of a norm, as it multiplies; nil where the layer has none.
    subscript(place: NormPosition) -> Matrix? {
        get { norms[place.rawValue] }
        set { norms[place.rawValue] = newValue }
    }

    /// The matrix of a module; nil where the layer has none.
    subscript(module: LinearModule) -> Weight? {
        get { linears[module.rawValue] }
        set { linears[module.rawValue] = newValue }
    }

    /// The bias of a module; nil where it has none.
    func bias(of module: LinearModule) -> Matrix? { biases[module.rawValue] }

    /// Sets the bias of a module.
    mutating func setBias(_ bias: Matrix, of module: LinearModule) { biases[module.rawValue] = bias }

    /// Bytes of the matrices.
    var byteCount: Int { linears.reduce(0) { $0 + ($1?.byteCount ?? 0) } }
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
    /// Whether its weights lie in a file of the weight cache, packed by an earlier run.
    public let hasCachedWeights: Bool
    /// What NF4 costs the model beyond what its file had cost; nil where it is held otherwise or the file is exact enough.
    public let secondRounding: SecondRounding?
    /// Bytes of packed weights.
    package let weightBytes: Int
    let embedding: TokenEmbedding
    /// The output head, [vocabulary][hidden], and what becomes of its products.
    package let head: OutputHead
    let layers: [LayerWeights]
    let finalNorm: Matrix
    private let rotary = Mutex<[RotaryTable]>([])

    /// Loads a model: a Hugging Face folder or a `.gguf` file.
    ///
    /// - Parameters:
    ///   - precision: how to hold the linear layers.
    ///   - contextLength: the longest sequence that it will be used for; it matters to models whose rotary frequencies are
    ///     others for long contexts. nil for what the frequencies of the first training serve.
    ///   - backend: the device.
    ///   - cache: where quantised weights are kept for the next time; nil to do without.
    ///   - progress: told the share of layers that are loaded, from 0 to 1.
    /// - Throws: `FormatError`, `TextError` or `TensorError`, each one line that says what to do.
    public convenience init(
        path: String, precision: WeightPrecision = .bf16, contextLength: Int? = nil, backend: any Backend,
        cache: WeightCache? = .standard, progress: ((Double) -> Void)? = nil
    ) throws {
        let checkpoint = try Checkpoint(path: path)
        let tokenizer = Background { try checkpoint.makeTokenizer() }
        let loader = WeightLoader(
            checkpoint: checkpoint, backend: backend, precision: precision, cache: precision.isQuantized ? cache : nil)
        let weights = Result { try loader.load(progress: progress) }
        // Of two faults the tokenizer's is told, whichever is found first.
        let configuration = contextLength.map(checkpoint.configuration.reaching) ?? checkpoint.configuration
        let parts = ModelParts(path: path, configuration: configuration, tokenizer: try tokenizer.value())
        self.init(
            parts, precision: precision, backend: backend, weights: try weights.get(),
            hasCachedWeights: loader.foundAll,
            // A remark is no reason not to load.
            secondRounding: try? SecondRounding(checkpoint, precision: precision, backend: backend))
        loader.keepPacked()
    }

    /// Binds weights that are in memory.
    init(
        _ parts: ModelParts, precision: WeightPrecision, backend: any Backend, weights: ModelWeights,
        hasCachedWeights: Bool = false, secondRounding: SecondRounding? = nil
    ) {
        self.hasCachedWeights = hasCachedWeights
        self.secondRounding = secondRounding
        embedding = weights.embedding
        head = OutputHead(
            weights.head, scale: parts.configuration.logitMultiplier, softCap: parts.configuration.logitSoftCap)
        layers = weights.layers
        finalNorm = weights.finalNorm
        self.backend = backend
        self.precision = precision
        configuration = parts.configuration
        tokenizer = parts.tokenizer
        checkpointPath = parts.path
        endTokens = Set(parts.configuration.endTokens).union(parts.tokenizer.endTokens)
        let tableBytes = if case .own(let table) = embedding { table.byteCount } else { 0 }
        weightBytes =
            tableBytes + weights.head.byteCount + layers.reduce(0) { $0 + $1.byteCount }
    }

    /// The layout of this model's keys and values.
    package var cacheShape: KeyValueCache.Shape {
        KeyValueCache.Shape(configuration, precision)
    }

    /// Rotation angles of at least `positions` positions, a table for each of the configuration's embeddings; grown on
    /// demand, since few runs use a model's whole context.
    func rotaryTables(positions: Int) throws -> [RotaryTable] {
        try rotary.withLock { tables in
            if let first = tables.first, first.positions >= positions { return tables }
            let grown = try configuration.rotaryEmbeddings.map { embedding in
                try backend.makeRotaryTable(
                    inverseFrequencies: embedding.inverseFrequencies, positions: max(512, positions * 2),
                    factor: embedding.amplitude)
            }
            tables = grown
            return grown
        }
    }
}

extension KeyValueCache.Shape {
    /// The layout of a model's keys and values: fp32 where everything is, for comparisons.
    package init(_ configuration: ModelConfiguration, _ precision: WeightPrecision) {
        self.init(
            layers: configuration.layerCount, heads: configuration.headCount,
            keyValueHeads: configuration.keyValueHeadCount, headSize: configuration.headSize,
            format: precision == .f32 ? .f32 : .fixed)
    }
}
