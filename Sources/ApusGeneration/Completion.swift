/// Why a completion ended.
public enum FinishReason: String, Sendable, Codable {
    /// The model chose an end token.
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

    /// Whether it ended without an end token.
    public var isTruncated: Bool { finishReason == .length }
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
