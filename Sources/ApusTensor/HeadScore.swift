/// The output head of a model, [vocabulary][hidden], and what becomes of its products.
public struct OutputHead: Sendable {
    /// The matrix.
    public let weight: Weight
    /// What its products are multiplied by (Granite).
    public let scale: Float
    /// Logits l become c · tanh(l / c) (Gemma 2); nil for as they are.
    public let softCap: Float?

    /// A head.
    public init(_ weight: Weight, scale: Float = 1, softCap: Float? = nil) {
        self.weight = weight
        self.scale = scale
        self.softCap = softCap
    }

    /// Whether its products are the logits.
    package var isPlain: Bool { scale == 1 && softCap == nil }
}

/// Tokens whose log-probabilities are wanted: which rows of hidden states predict them.
public struct HeadTargets: Sendable {
    /// Rows of hidden states.
    public let rows: Indices
    /// The tokens that came after them.
    public let tokens: Indices

    /// As many rows as tokens.
    public init(rows: Indices, tokens: Indices) {
        precondition(rows.count == tokens.count, "one row a token")
        self.rows = rows
        self.tokens = tokens
    }

    /// How many there are.
    public var count: Int { rows.count }

    /// Some of them.
    public subscript(part: Range<Int>) -> HeadTargets { HeadTargets(rows: rows[part], tokens: tokens[part]) }
}

/// What the head says of one target, under the tempered distribution.
public struct HeadScore: Sendable, Equatable {
    /// Natural logarithm of the target's probability.
    public var logProb: Float
    /// Entropy of the distribution, in nats.
    public var entropy: Float
    /// log Σ e^z, kept for the gradient.
    public var logSumExp: Float

    /// A score.
    public init(logProb: Float, entropy: Float, logSumExp: Float) {
        self.logProb = logProb
        self.entropy = entropy
        self.logSumExp = logSumExp
    }

    /// Values of a score in a matrix of scores, in the order of the properties.
    public static let width = 3
    /// Values of a gradient in a matrix of scores' gradients: by the log-probability and by the entropy.
    public static let gradientWidth = 2
}
