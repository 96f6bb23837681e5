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
    /// The line of the history that holds the tokens seen, which gets the token that is drawn; nil where nothing is penalised.
    public var line: Int?
    /// Tokens that must not come now.
    public var banned: [Int32]
    /// The random number in [0, 1) that decides.
    public var uniform: Double

    /// A rule for one row.
    public init(
        temperature: Float, topK: Int, topP: Float, minP: Float, repetitionPenalty: Float, line: Int?,
        banned: [Int32], uniform: Double
    ) {
        self.temperature = temperature
        self.topK = topK
        self.topP = topP
        self.minP = minP
        self.repetitionPenalty = repetitionPenalty
        self.line = line
        self.banned = banned
        self.uniform = uniform
    }
}

/// The tokens that sequences have had so far, a line each, on the device that penalises their repetition.
///
/// `@unchecked Sendable`: the numeric core that writes it is owned by one thread at a time.
open class TokenHistory: @unchecked Sendable {
    /// Number of lines.
    public let lines: Int

    /// For backends.
    public init(lines: Int) { self.lines = lines }
}

/// A drawn token and what the head says of it under the tempered distribution of the whole vocabulary.
public struct SampledToken: Sendable {
    /// The token.
    public let token: Int32
    /// Its score, bit for bit what `Backend.score` says of it.
    public let score: HeadScore
    /// Its log-probability.
    public var logProb: Float { score.logProb }

    /// A token and its score.
    public init(token: Int32, score: HeadScore) {
        self.token = token
        self.score = score
    }
}
