import ApusGeneration
public import ApusModel

/// What supervised training needs from a model and its trained parameters: an adapter, or all weights.
///
/// A learner is used from one thread at a time.
public protocol Learner: TrainedParameters {
    /// The longest sequence of the model, in tokens.
    var contextLength: Int { get }
    /// How many parameters are trained.
    var parameterCount: Int { get }

    /// Scores sequences and keeps what ``backward(_:)`` needs.
    /// - Returns: `[sequence]`, one score a token of the completion.
    func forward(_ sequences: [TokenGroup]) throws -> [TokenScores]

    /// Whether each of these tokens of the last forward pass is the likeliest at its place, `[sequence][token]`; tokens that
    /// are not asked for may get any answer.
    func areLikeliest(_ isAsked: [[Bool]]) throws -> [[Bool]]

    /// Adds to the gradients, given the loss's derivative by each log-probability of the last forward pass.
    func backward(_ logProbGradients: [[Float]]) throws
}
