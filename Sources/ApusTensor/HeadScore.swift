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
    var isPlain: Bool { scale == 1 && softCap == nil }
}

/// A token whose log-probability is wanted: which row of hidden states predicts it.
public struct HeadTarget: Sendable {
    /// Index into the rows of hidden states.
    public let row: Int
    /// The token.
    public let token: Int32

    /// A row and the token that came after it.
    public init(row: Int, token: Int32) {
        self.row = row
        self.token = token
    }
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
}
