public import ApusData
public import ApusGeneration
public import ApusModel
public import Foundation

/// What the trainer needs from a model, its adapter and its sampler.
///
/// The real one is ``ModelPolicy``. A policy is used from one thread at a time. Whatever it throws ends the run as a
/// ``TrainingError`` that says in which part of which step.
public protocol Policy: AnyObject {
    /// The longest sequence of prompt and completion; `nil` for no limit.
    var contextLength: Int? { get }

    /// Whether a completion's log-probabilities are, bit for bit, those that ``score(_:temperature:adapterEnabled:)`` would
    /// give: the trainer then need not compute them again.
    var samplesExactLogProbs: Bool { get }

    /// What the policy plans to do with memory, in one line; `nil` for nothing to say.
    var memoryPlan: String? { get }

    /// Bytes that the policy means to hold, weights included; `nil` where that is not known.
    var plannedMemory: Int? { get }

    /// What the last generation found no memory for, in one line; `nil` when there was enough. It costs time alone.
    var memoryShortfall: String? { get }

    /// About how many bytes ``save(to:)`` and ``saveOptimizer(to:)`` write; `nil` when that is not known.
    var checkpointBytes: Int? { get }

    /// What this policy is, by key: the model's hash, the adapter's rank and so on. A run is continued only by a policy with
    /// the same entries.
    var identity: [String: JSONValue] { get }

    /// Samples `groupSize` completions of each prompt.
    /// - Parameters:
    ///   - step: the ordinal of this generation in the run: it keys the random numbers, so equal ordinals repeat.
    ///   - onToken: called after each token, so that a long generation can be followed; a policy may leave it out.
    /// - Returns: `[prompt][completion]`.
    /// - Throws: What keeps it from sampling, such as ``MemoryShortage``.
    func generate(
        _ prompts: [[Int32]], groupSize: Int, step: Int, sampling: SamplingParameters, onToken: () -> Void
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

    /// Clears the gradients.
    func zeroGradients()

    /// The L2 norm of all gradients together.
    func gradientNorm() -> Double

    /// Multiplies all gradients.
    func scaleGradients(by factor: Float)

    /// One AdamW step; `parameters.step` counts from 1.
    func optimizerStep(_ parameters: OptimizerStep)

    /// Writes the trained parameters in the layout that other tools load (a PEFT adapter).
    /// - Throws: What keeps it from writing; `on_save_failure` says what becomes of the run.
    func save(to directory: URL) throws

    /// Writes the optimizer's state beside them, exactly.
    /// - Throws: What keeps it from writing, as with ``save(to:)``.
    func saveOptimizer(to directory: URL) throws

    /// Reads back what ``save(to:)`` and ``saveOptimizer(to:)`` wrote, exactly.
    /// - Throws: What is wrong with the files: the run does not begin.
    func restore(from directory: URL) throws
}

extension Policy {
    /// No limit.
    public var contextLength: Int? { nil }

    /// Nothing to say.
    public var memoryPlan: String? { nil }

    /// Not known.
    public var plannedMemory: Int? { nil }

    /// Enough memory.
    public var memoryShortfall: String? { nil }

    /// Log-probabilities are computed again where they are needed.
    public var samplesExactLogProbs: Bool { false }

    /// Not known.
    public var checkpointBytes: Int? { nil }

    /// Nothing to tell it from others by.
    public var identity: [String: JSONValue] { [:] }

    /// Refuses: a policy has to say how it is restored before its runs can be resumed.
    /// - Throws: ``TrainingError`` with code `resume`.
    public func restore(from directory: URL) throws {
        throw TrainingError(.resume, "this policy cannot be restored from a checkpoint: start a new run")
    }
}

/// The hyper-parameters of one AdamW step.
public struct OptimizerStep: Sendable, Equatable {
    /// The learning rate of this step.
    public var learningRate: Double
    /// Decay of the first moment.
    public var beta1: Double
    /// Decay of the second moment.
    public var beta2: Double
    /// Added to the denominator.
    public var epsilon: Double
    /// Decoupled weight decay.
    public var weightDecay: Double
    /// The number of this step, from 1: what the bias correction uses.
    public var step: Int

    /// Memberwise.
    public init(
        learningRate: Double, beta1: Double, beta2: Double, epsilon: Double, weightDecay: Double, step: Int
    ) {
        self.learningRate = learningRate
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.weightDecay = weightDecay
        self.step = step
    }
}
