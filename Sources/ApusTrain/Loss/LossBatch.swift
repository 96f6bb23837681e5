/// One completion as the loss sees it. All lists have one entry a completion token; there is no padding.
struct LossRow: Sendable {
    /// The advantage of the whole completion.
    var advantage: Double
    /// Which tokens count in the loss.
    var mask: [Bool]
    /// Log-probabilities under the policy that is trained. Empty for a row that was not scored because nothing depends on it:
    /// it then adds nothing to the loss and its tokens only count in denominators.
    var logProbs: [Float]
    /// Log-probabilities when the completion was sampled; `nil` means that the policy has not moved since.
    var oldLogProbs: [Float]?
    /// Log-probabilities under the reference model, when the KL term is on.
    var referenceLogProbs: [Float]?
    /// Entropies of the distributions that the tokens were drawn from, in nats.
    var entropies: [Float]

    /// Whether the policy's values are known.
    var isScored: Bool { logProbs.count == mask.count }
    /// Tokens that count: Σ m.
    var tokenCount: Int { mask.count { $0 } }
}

/// One micro-batch as the loss sees it.
struct LossBatch: Sendable {
    /// The completions.
    var rows: [LossRow]
    /// Tokens that count in the whole generation batch (`num_items_in_batch`).
    var itemCount: Int
    /// Micro-batches in this accumulation window.
    var window: Int
    /// Micro-batches that the generation batch is cut into.
    var stepsPerGeneration: Int
    /// Evaluation does not divide by the window.
    var isTraining = true
    /// The longest completion of the generation batch. TRL tells rows from tokens by the width of a tensor, so at 1 its
    /// token means become row means.
    var paddedLength: Int
    /// Weight of the entropy bonus now; `nil` leaves out the bonus and its metrics.
    var entropyCoefficient: Double?
}

/// What the loss says about a micro-batch.
struct LossEvaluation: Sendable {
    /// The loss, already divided for its accumulation window.
    var loss = 0.0
    /// `[row][token]`: derivative by the log-probabilities; empty for rows that were not scored.
    var logProbGradients: [[Float]] = []
    /// `[row][token]`: derivative by the entropies, when there is a bonus.
    var entropyGradients: [[Float]]?
    /// Names and values in TRL's order. NaN where no row had a token.
    var metrics: [(name: String, value: Double)] = []
    /// Σ entropy over the tokens that the bonus counts.
    var entropySum = 0.0
    /// The number of those tokens.
    var entropyTokens = 0
}
