public import ApusGeneration
public import ApusModel

/// What the trainer needs from a model, its adapter and its sampler.
///
/// The real one is ``ModelPolicy``. A policy is used from one thread at a time. Whatever it throws ends the run as a
/// ``TrainingError`` that says in which part of which step.
public protocol Policy: TrainedParameters {
    /// The longest sequence of prompt and completion; `nil` for no limit.
    var contextLength: Int? { get }

    /// Rows of the embedding: every token is below it; `nil` for no limit.
    var vocabularySize: Int? { get }

    /// Whether a completion's log-probabilities are, bit for bit, those that ``score(_:temperature:adapterEnabled:)`` would
    /// give: the trainer then need not compute them again.
    var samplesExactLogProbs: Bool { get }

    /// What the policy plans to do with memory, in one line; `nil` for nothing to say.
    var memoryPlan: String? { get }

    /// Bytes that the policy means to hold, weights included; `nil` where that is not known.
    var plannedMemory: Int? { get }

    /// What the last generation found no memory for, in one line; `nil` when there was enough. It costs time alone.
    var memoryShortfall: String? { get }

    /// Samples `groupSize` completions of each prompt.
    /// - Parameters:
    ///   - step: the ordinal of this generation in the run: it keys the random numbers, so equal ordinals repeat.
    ///   - continuesBatch: whether the completions of the generation before are still to be trained on, with these: what was kept
    ///     for that stays.
    ///   - onToken: called after each token, so that a long generation can be followed; a policy may leave it out.
    /// - Returns: `[prompt][completion]`.
    /// - Throws: What keeps it from sampling, such as ``MemoryShortage``.
    func generate(
        _ prompts: [[Int32]], groupSize: Int, step: Int, sampling: SamplingParameters, continuesBatch: Bool,
        onToken: () -> Void
    ) throws -> [[Completion]]

    /// Log-probabilities and entropies of completions, without what a backward pass needs.
    /// - Returns: `[group][completion]`.
    /// - Throws: What keeps it from scoring, such as ``MemoryShortage``.
    func score(_ groups: [TokenGroup], temperature: Float, adapterEnabled: Bool) throws -> [[TokenScores]]

    /// Like ``score(_:temperature:adapterEnabled:)`` with the adapter, keeping what ``backward(_:entropyGradients:)`` needs.
    /// - Throws: What keeps it from scoring, such as ``MemoryShortage``.
    func forward(_ groups: [TokenGroup], temperature: Float) throws -> [[TokenScores]]

    /// Adds to the gradients of the trained parameters, given the loss's derivative by each log-probability (and entropy) of
    /// the last forward pass, `[group][completion][token]`.
    /// - Throws: What keeps it from computing the gradients.
    func backward(_ logProbGradients: [[[Float]]], entropyGradients: [[[Float]]]?) throws
}

extension Policy {
    /// No limit.
    public var contextLength: Int? { nil }

    /// No limit.
    public var vocabularySize: Int? { nil }

    /// Nothing to say.
    public var memoryPlan: String? { nil }

    /// Not known.
    public var plannedMemory: Int? { nil }

    /// Enough memory.
    public var memoryShortfall: String? { nil }

    /// Log-probabilities are computed again where they are needed.
    public var samplesExactLogProbs: Bool { false }
}
