import ApusGeneration
public import ApusModel
public import Foundation

/// What supervised training needs from a model and its trained parameters: an adapter, or all weights.
///
/// A learner is used from one thread at a time.
public protocol Learner: AnyObject {
    /// The longest sequence of the model, in tokens.
    var contextLength: Int { get }
    /// How many parameters are trained.
    var parameterCount: Int { get }

    /// Scores sequences and keeps what ``backward(_:)`` needs.
    /// - Returns: `[sequence]`, one score a token of the completion.
    /// - Throws: What keeps it from scoring, such as ``MemoryShortage``.
    func forward(_ sequences: [TokenGroup]) throws -> [TokenScores]

    /// Whether each of these tokens of the last forward pass is the likeliest at its place, `[sequence][token]`; tokens that
    /// are not asked for may get any answer.
    /// - Throws: What keeps it from looking at the last pass again.
    func areLikeliest(_ isAsked: [[Bool]]) throws -> [[Bool]]

    /// Adds to the gradients, given the loss's derivative by each log-probability of the last forward pass.
    /// - Throws: What keeps it from computing the gradients.
    func backward(_ logProbGradients: [[Float]]) throws

    /// Clears the gradients.
    func zeroGradients()
    /// The L2 norm of all gradients together.
    func gradientNorm() -> Double
    /// Multiplies all gradients.
    func scaleGradients(by factor: Float)
    /// One AdamW step; `parameters.step` counts from 1.
    func optimizerStep(_ parameters: OptimizerStep)
    /// Writes what was trained in the layout that other tools load.
    /// - Throws: What keeps it from writing.
    func save(to directory: URL) throws
}
