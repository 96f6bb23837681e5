public import ApusData

/// What a run tells while it goes on.
public enum TrainingEvent: Sendable {
    /// The sizes of the run, before its first step.
    case started(TrainingPlan)
    /// Something that the user should know and need not act on.
    case notice(String)
    /// Something that the user should look at.
    case warning(String)
    /// A part of a step begins.
    case phase(TrainingPhase, step: Int)
    /// How far a part of a step has come: tokens sampled, of at most so many; completions trained on, of all. Told a few
    /// times a second at most.
    case progress(TrainingPhase, step: Int, done: Int, of: Int)
    /// A generation batch was sampled and scored.
    case rollout(RolloutReport)
    /// An optimizer step is done; `step` counts from 1.
    case stepFinished(step: Int, of: Int)
    /// A log line: the same values that `metrics.jsonl` gets.
    case logged(MetricsRecord)
    /// The model was evaluated; the record in the report is in `metrics.jsonl` too.
    case evaluated(EvaluationReport)
    /// A checkpoint is complete on disk.
    case saved(path: String)
}

/// The parts of a step.
public enum TrainingPhase: String, Sendable {
    /// Completions are sampled.
    case rollout
    /// Reward functions run.
    case reward
    /// Gradients are computed and applied.
    case train
    /// Completions of evaluation prompts are sampled and scored, between two steps.
    case evaluation
}

/// One generation batch with its texts, for display and logs.
public struct RolloutReport: Sendable {
    /// The optimizer step, from 1, that it is first used in.
    public var step: Int
    /// One prompt a completion.
    public var prompts: [Prompt]
    /// The completions' texts.
    public var completions: [String]
    /// Names of the reward functions.
    public var rewardNames: [String]
    /// `[completion][function]`; `nil` where a function did not apply.
    public var rewards: [[Double?]]
    /// One advantage a completion.
    public var advantages: [Double]
    /// Whether each completion was cut at the length limit.
    public var isTruncated: [Bool]
    /// Columns that reward functions added (TRL's `log_extra`), one value a completion.
    public var extraColumns: [String: [JSONValue]] = [:]
}
