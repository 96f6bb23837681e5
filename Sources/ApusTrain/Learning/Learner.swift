public import ApusData
public import ApusModel

/// What training needs from a model and what of it is trained: log-probabilities, and the way back to the gradients.
///
/// A learner is used from one thread at a time. Whatever it throws ends the run as a ``TrainingError`` that says in which step.
public protocol Learner: AnyObject {
    /// What is trained.
    var parameters: any TrainedParameters { get }

    /// What this is, by key: the model's hash, the adapter's rank and so on. A run is continued only with the same entries.
    var identity: [String: JSONValue] { get }

    /// The longest sequence of prompt and completion; `nil` for no limit.
    var contextLength: Int? { get }

    /// Rows of the embedding: every token is below it; `nil` for no limit.
    var vocabularySize: Int? { get }

    /// Log-probabilities and entropies of completions, without what a backward pass needs.
    /// - Parameter policy: whose they are.
    /// - Returns: `[group][completion]`.
    /// - Throws: What keeps it from scoring, such as ``MemoryShortage``.
    func score(_ groups: [TokenGroup], temperature: Float, under policy: ScoringPolicy) throws -> [[TokenScores]]

    /// Like ``score(_:temperature:under:)`` with the current policy, keeping what ``backward(_:entropyGradients:)`` needs.
    /// - Throws: What keeps it from scoring, such as ``MemoryShortage``.
    func forward(_ groups: [TokenGroup], temperature: Float) throws -> [[TokenScores]]

    /// Whether each of these tokens of the last forward pass is the likeliest at its place, `[group][completion][token]`;
    /// tokens that are not asked for may get any answer.
    /// - Throws: What keeps it from looking at the last pass again.
    func areLikeliest(_ isAsked: [[[Bool]]]) throws -> [[[Bool]]]

    /// Adds to the gradients of the trained parameters, given the loss's derivative by each log-probability (and entropy) of
    /// the last forward pass, `[group][completion][token]`.
    /// - Throws: What keeps it from computing the gradients.
    func backward(_ logProbGradients: [[[Float]]], entropyGradients: [[[Float]]]?) throws
}

extension Learner {
    /// Nothing to tell it from others by.
    public var identity: [String: JSONValue] { [:] }

    /// No limit.
    public var contextLength: Int? { nil }

    /// No limit.
    public var vocabularySize: Int? { nil }
}
