import ApusGeneration
public import ApusModel

/// What supervised training needs from a model and its trained parameters: an adapter, or all weights.
///
/// A learner is used from one thread at a time.
public protocol Learner: TrainedParameters {
    /// The longest sequence of the model, in tokens.
    var contextLength: Int { get }

    /// Rows of the embedding: every token is below it.
    var vocabularySize: Int { get }
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
}
