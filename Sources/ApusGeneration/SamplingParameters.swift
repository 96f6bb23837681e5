/// How tokens are chosen from the model's distribution; transformers' names and order of filters.
public struct SamplingParameters: Sendable, Equatable {
    /// Divides the logits; 0 takes the most probable token.
    public var temperature: Float
    /// Keep the k most probable tokens; 0 is off.
    public var topK: Int
    /// Keep the smallest set of tokens with this probability; 1 is off.
    public var topP: Float
    /// Keep tokens with at least this share of the best one's probability; 0 is off.
    public var minP: Float
    /// Divides (multiplies, where negative) the logits of tokens that occurred; 1 is off.
    public var repetitionPenalty: Float
    /// Longest completion, in tokens.
    public var maxNewTokens: Int
    /// Tokens before an end token may come.
    public var minNewTokens: Int
    /// Texts that end a completion: the token that completes one is its last.
    public var stop: [String]
    /// Key of the random numbers, with step, sample and position.
    public var seed: UInt64

    /// Plain sampling at temperature 1.
    public init(
        temperature: Float = 1, topK: Int = 0, topP: Float = 1, minP: Float = 0, repetitionPenalty: Float = 1,
        maxNewTokens: Int, minNewTokens: Int = 0, stop: [String] = [], seed: UInt64 = 42
    ) {
        self.temperature = temperature
        self.topK = topK
        self.topP = topP
        self.minP = minP
        self.repetitionPenalty = repetitionPenalty
        self.maxNewTokens = maxNewTokens
        self.minNewTokens = minNewTokens
        self.stop = stop
        self.seed = seed
    }
}
