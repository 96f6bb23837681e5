/// The shape of a model and the constants of its arithmetic, whatever file they were read from.
public struct ModelConfiguration: Sendable, Equatable {
    /// The family: what files call its tensors and its numbers.
    public var architecture: Architecture
    /// Width of the residual stream.
    public var hiddenSize: Int
    /// Width inside the gated feed-forward block.
    public var intermediateSize: Int
    /// Query heads.
    public var headCount: Int
    /// Key and value heads; divides `headCount`.
    public var keyValueHeadCount: Int
    /// Elements of one head; even.
    public var headSize: Int
    /// Rows of the embedding.
    public var vocabularySize: Int
    /// The longest sequence the model can be used for, in tokens.
    public var contextLength: Int
    /// Added to the mean square in RMSNorm.
    public var normEpsilon: Float
    /// What the layers turn queries and keys by.
    public var rotaryEmbeddings: [RotaryEmbedding]
    /// What each layer computes, from the first to the last.
    public var layers: [LayerPlan]
    /// What a token's embedding is multiplied by.
    public var embeddingMultiplier: Float
    /// What the head's products are multiplied by.
    public var logitMultiplier: Float
    /// What logits are held below by a hyperbolic tangent (Gemma 2); nil where they are not.
    public var logitSoftCap: Float?
    /// Whether the output head is the embedding.
    public var tiesEmbeddings: Bool
    /// Whether the file holds the output head in integers of at most 8 bits with a scale for every 32: such a head is kept
    /// so, at half the room and exactly.
    public var hasHeadIn8Bits = false
    /// What precedes the text model's modules in the names of a model of several parts, which adapters go by.
    package var namePrefix = NamePrefix.none
    /// The token that begins a text, if the model has one.
    public var bosToken: Int32?
    /// The tokens that end a generation.
    public var endTokens: [Int32]

    /// Transformer blocks.
    public var layerCount: Int { layers.count }

    /// Width of all query heads.
    package var queryWidth: Int { headCount * headSize }

    /// Width of all key heads, and of all value heads.
    package var keyWidth: Int { keyValueHeadCount * headSize }

    /// The modules that some layer has, in their order.
    package var linearModules: [LinearModule] {
        LinearModule.allCases.filter { module in layers.contains { $0.has(module) } }
    }

    /// What Hugging Face calls the model's tensors: the names in adapters, and in models that are written.
    package var huggingFaceLayout: CheckpointLayout { .huggingFace(architecture, prefix: namePrefix) }

    /// What llama.cpp calls them.
    package var ggufLayout: CheckpointLayout { .gguf(self) }
}
