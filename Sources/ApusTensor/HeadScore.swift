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
