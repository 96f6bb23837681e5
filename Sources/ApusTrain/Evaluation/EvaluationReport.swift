public import ApusData

/// One evaluation within a run, with its texts.
public struct EvaluationReport: Sendable {
    /// Optimizer steps done before it; 0 before the first.
    public var step: Int
    /// The line of `metrics.jsonl`: TRL's names with `eval_` in front.
    public var record: MetricsRecord
    /// What reward functions logged themselves (`log_metric`), by the names they gave; in ``record`` with `eval_` in front.
    public var loggedByRewards: [MetricsRecord.Entry]
    /// What was evaluated, in the order of the data set.
    public var samples: [Sample]
    /// `[sample][completion]`: the completions' texts.
    public var completions: [[String]]
    /// Which completions are right; `nil` where the data have no reference answers.
    public var answers: GradedAnswers?

    /// Memberwise.
    public init(
        step: Int, record: MetricsRecord, loggedByRewards: [MetricsRecord.Entry] = [], samples: [Sample],
        completions: [[String]], answers: GradedAnswers? = nil
    ) {
        self.step = step
        self.record = record
        self.loggedByRewards = loggedByRewards
        self.samples = samples
        self.completions = completions
        self.answers = answers
    }
}
