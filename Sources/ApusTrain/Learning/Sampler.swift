public import ApusGeneration

/// Where completions come from: the engine of this process, or one elsewhere.
///
/// A sampler is used by one task at a time. Whatever it throws ends the run as a ``TrainingError`` that says in which step.
public protocol Sampler: AnyObject {
    /// Whether a completion's log-probabilities are, bit for bit, those that the learner would compute: it then need not
    /// compute them again.
    var samplesExactLogProbs: Bool { get }

    /// What the sampler plans to do with memory, in one line; `nil` for nothing to say.
    var memoryPlan: String? { get }

    /// Bytes that the process means to hold, weights included; `nil` where that is not known.
    var plannedMemory: Int? { get }

    /// What the last generation found no memory for, in one line; `nil` when there was enough. It costs time alone.
    var memoryShortfall: String? { get }

    /// Takes the parameters as an optimizer step, or going back to a checkpoint, left them. One that shares them with the learner
    /// has nothing to do.
    /// - Throws: What keeps it from taking them.
    nonisolated(nonsending) func publish(_ parameters: any TrainedParameters) async throws

    /// Samples `groupSize` completions of each prompt.
    /// - Parameters:
    ///   - step: the ordinal of this generation in the run: it keys the random numbers, so equal ordinals repeat.
    ///   - continuesBatch: whether the completions of the generation before are still to be trained on, with these: what was kept
    ///     for that stays.
    ///   - onToken: called after each token, so that a long generation can be followed; a sampler may leave it out.
    /// - Returns: `[prompt][completion]`.
    /// - Throws: What keeps it from sampling, such as ``MemoryShortage``.
    nonisolated(nonsending) func generate(
        _ prompts: [[Int32]], groupSize: Int, step: Int, sampling: SamplingParameters, continuesBatch: Bool,
        onToken: () -> Void
    ) async throws -> [[Completion]]
}

extension Sampler {
    /// Log-probabilities are computed again where they are needed.
    public var samplesExactLogProbs: Bool { false }

    /// Nothing to say.
    public var memoryPlan: String? { nil }

    /// Not known.
    public var plannedMemory: Int? { nil }

    /// Enough memory.
    public var memoryShortfall: String? { nil }

    /// Nothing to do: the parameters are shared.
    public nonisolated(nonsending) func publish(_ parameters: any TrainedParameters) async {}
}
