public import ApusData
public import Foundation

/// What an optimizer step and a checkpoint need of what is trained, an adapter or all weights of a model.
public protocol TrainedParameters: AnyObject {
    /// What this is, by key: the model's hash, the adapter's rank and so on. A run is continued only with the same entries.
    var identity: [String: JSONValue] { get }

    /// About how many bytes ``save(to:)`` and ``saveOptimizer(to:)`` write; `nil` when that is not known.
    var checkpointBytes: Int? { get }

    /// Clears the gradients.
    func zeroGradients()

    /// The L2 norm of all gradients together.
    func gradientNorm() -> Double

    /// Multiplies all gradients.
    func scaleGradients(by factor: Float)

    /// One AdamW step; `parameters.step` counts from 1.
    func optimizerStep(_ parameters: OptimizerStep)

    /// Writes the trained parameters in the layout that other tools load: a PEFT adapter, or a model.
    /// - Throws: What keeps it from writing; `on_save_failure` says what becomes of the run.
    func save(to directory: URL) throws

    /// Writes the optimizer's state beside them, exactly, and the parameters where ``save(to:)`` rounds them.
    /// - Throws: What keeps it from writing, as with ``save(to:)``.
    func saveOptimizer(to directory: URL) throws

    /// Reads back what ``save(to:)`` and ``saveOptimizer(to:)`` wrote, exactly.
    /// - Throws: What is wrong with the files: the run does not begin.
    func restore(from directory: URL) throws
}

extension TrainedParameters {
    /// Not known.
    public var checkpointBytes: Int? { nil }

    /// Nothing to tell it from others by.
    public var identity: [String: JSONValue] { [:] }

    /// Refuses: what is trained has to say how it is restored before its runs can be resumed.
    /// - Throws: ``TrainingError`` with code `resume`.
    public func restore(from directory: URL) throws {
        throw TrainingError(.resume, "what is trained cannot be restored from a checkpoint: start a new run")
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
