/// How one row of logits is drawn from.
public struct SamplingRow: Sendable {
    /// Divides the logits; 0 takes the most probable token.
    public var temperature: Float
    /// Keep the k most probable; 0 is off.
    public var topK: Int
    /// Keep the smallest set with this probability; 1 is off.
    public var topP: Float
    /// Keep tokens with at least this share of the best one's probability; 0 is off.
    public var minP: Float
    /// Divides (multiplies, where negative) logits of tokens seen; 1 is off.
    public var repetitionPenalty: Float
    /// Tokens of prompt and output, for the penalty.
    public var seen: [Int32]
    /// Tokens that must not come now.
    public var banned: [Int32]
    /// The random number in [0, 1) that decides.
    public var uniform: Double

    /// A rule for one row.
    public init(
        temperature: Float, topK: Int, topP: Float, minP: Float, repetitionPenalty: Float, seen: [Int32],
        banned: [Int32], uniform: Double
    ) {
        self.temperature = temperature
        self.topK = topK
        self.topP = topP
        self.minP = minP
        self.repetitionPenalty = repetitionPenalty
        self.seen = seen
        self.banned = banned
        self.uniform = uniform
    }
}

/// A drawn token and what the head says of it under the tempered distribution of the whole vocabulary.
public struct SampledToken: Sendable {
    /// The token.
    public let token: Int32
    /// Its score, bit for bit what `Backend.score` says of it.
    public let score: HeadScore
    /// Its log-probability.
    public var logProb: Float { score.logProb }
}
