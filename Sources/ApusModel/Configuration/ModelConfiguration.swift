/// The shape of a model and the constants of its arithmetic, whatever file they were read from.
public struct ModelConfiguration: Sendable, Equatable {
    /// The families that the transformer implements.
    public enum Architecture: String, Sendable, Equatable, CaseIterable {
        /// Llama 2 and 3, SmolLM2, TinyLlama: no biases unless the configuration asks for them.
        case llama
        /// Qwen2 and Qwen2.5: biases on q, k and v.
        case qwen2
    }

    /// The family.
    public var architecture: Architecture
    /// Width of the residual stream.
    public var hiddenSize: Int
    /// Width inside the gated feed-forward block.
    public var intermediateSize: Int
    /// Transformer blocks.
    public var layerCount: Int
    /// Query heads.
    public var headCount: Int
    /// Key and value heads; divides `headCount`.
    public var keyValueHeadCount: Int
    /// Elements of one head; even.
    public var headSize: Int
    /// Rows of the embedding.
    public var vocabularySize: Int
    /// The longest sequence the model was made for, in tokens.
    public var contextLength: Int
    /// Added to the mean square in RMSNorm.
    public var normEpsilon: Float
    /// Base of the rotary frequencies.
    public var ropeTheta: Double
    /// How the rotary frequencies are stretched.
    public var ropeScaling: RopeScaling
    /// Whether q, k and v have biases.
    public var attentionBias: Bool
    /// Whether the output head is the embedding.
    public var tiesEmbeddings: Bool
    /// Whether the file holds the output head in integers of at most 8 bits with a scale for every 32: such a head is kept
    /// so, at half the room and exactly.
    public var hasHeadIn8Bits = false
    /// The token that begins a text, if the model has one.
    public var bosToken: Int32?
    /// The tokens that end a generation.
    public var endTokens: [Int32]

    /// Creates a configuration from its parts; `validate(file:)` checks it.
    package init(
        architecture: Architecture, hiddenSize: Int, intermediateSize: Int, layerCount: Int, headCount: Int,
        keyValueHeadCount: Int, headSize: Int, vocabularySize: Int, contextLength: Int, normEpsilon: Float,
        ropeTheta: Double, ropeScaling: RopeScaling = .none, attentionBias: Bool = false, tiesEmbeddings: Bool = false,
        bosToken: Int32? = nil, endTokens: [Int32] = []
    ) {
        self.architecture = architecture
        self.hiddenSize = hiddenSize
        self.intermediateSize = intermediateSize
        self.layerCount = layerCount
        self.headCount = headCount
        self.keyValueHeadCount = keyValueHeadCount
        self.headSize = headSize
        self.vocabularySize = vocabularySize
        self.contextLength = contextLength
        self.normEpsilon = normEpsilon
        self.ropeTheta = ropeTheta
        self.ropeScaling = ropeScaling
        self.attentionBias = attentionBias
        self.tiesEmbeddings = tiesEmbeddings
        self.bosToken = bosToken
        self.endTokens = endTokens
    }
}
