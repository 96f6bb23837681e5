/// Why a completion ended.
public enum FinishReason: String, Sendable, Codable {
    /// The model chose an end token, or completed a text that ends a completion.
    case stop
    /// It reached the longest length, or generation was cut short.
    case length
}

/// What was sampled after a prompt.
public struct Completion: Sendable, Equatable {
    /// The tokens, the end token included.
    public var tokens: [Int32]
    /// Log-probability of each token under the tempered distribution of the whole vocabulary: bit for bit what
    /// `TrainingPass.score` says of it under the same weights.
    public var logProbs: [Float]
    /// Why it ended.
    public var finishReason: FinishReason

    /// A completion.
    public init(tokens: [Int32], logProbs: [Float], finishReason: FinishReason) {
        self.tokens = tokens
        self.logProbs = logProbs
        self.finishReason = finishReason
    }

    /// Whether it was cut at the longest length.
    public var isTruncated: Bool { finishReason == .length }
}

/// A token as it is drawn.
public struct GeneratedToken: Sendable, Equatable {
    /// The request that it belongs to.
    public var request: Int
    /// The sample within the request.
    public var sample: Int
    /// The token.
    public var token: Int32
    /// Why its completion ends with it; nil where that goes on.
    public var finishReason: FinishReason?

    /// Memberwise.
    public init(request: Int, sample: Int, token: Int32, finishReason: FinishReason?) {
        self.request = request
        self.sample = sample
        self.token = token
        self.finishReason = finishReason
    }
}

/// A prompt to complete a number of times.
public struct GenerationRequest: Sendable {
    /// The prompt's tokens; at least one.
    public var prompt: [Int32]
    /// Number of completions.
    public var completions: Int
    /// The sample number of the first completion: keys its random numbers.
    public var firstSample: Int

    /// A request.
    public init(prompt: [Int32], completions: Int = 1, firstSample: Int = 0) {
        self.prompt = prompt
        self.completions = completions
        self.firstSample = firstSample
    }
}
