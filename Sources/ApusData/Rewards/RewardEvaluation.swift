/// What one call of a reward function gave.
public struct RewardEvaluation: Sendable, Equatable {
    /// One score for each completion; nil where the function does not apply or failed.
    public var scores: [Double?]
    /// The completions that the function failed on.
    public var failures: [SampleFailure]
    /// Figures for the log, each with the values that it got during the call (TRL's `log_metric`).
    public var metrics: [String: [Double]]
    /// Columns for the completions table, one value for each completion (TRL's `log_extra`).
    public var extraColumns: [String: [JSONValue]]

    /// An evaluation; most have scores alone.
    public init(
        scores: [Double?], failures: [SampleFailure] = [], metrics: [String: [Double]] = [:],
        extraColumns: [String: [JSONValue]] = [:]
    ) {
        self.scores = scores
        self.failures = failures
        self.metrics = metrics
        self.extraColumns = extraColumns
    }
}

/// A completion that a reward function could not score.
public struct SampleFailure: Sendable, Equatable {
    /// The completion, counted from 0 within the batch.
    public var sample: Int
    /// What went wrong, to follow "failed on completion 3: ".
    public var reason: String

    /// A failure on one completion.
    public init(sample: Int, reason: String) {
        self.sample = sample
        self.reason = reason
    }
}

/// What happens when a reward function fails.
public enum RewardFailurePolicy: String, Codable, Sendable, CaseIterable {
    /// The run ends with the message.
    case stop
    /// The completions that it failed on have no score from this function, and the failures are counted.
    case missing
    /// The completions that it failed on get 0 from this function, and the failures are counted.
    case zero

    /// What a completion gets on which the function failed, where the run goes on.
    var score: Double? { self == .zero ? 0 : nil }
}

/// The failures of one function on one batch.
package struct RewardFailures: Sendable, Equatable {
    /// The function's index among the batch's functions.
    package var function: Int
    /// How many completions it failed on.
    package var count: Int
    /// The first failure.
    package var first: RewardError
}
