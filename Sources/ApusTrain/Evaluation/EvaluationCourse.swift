/// What the evaluations of a run showed so far: where it began, where it is, and its best step.
public struct EvaluationCourse: Codable, Sendable, Equatable {
    /// The answers at one step.
    public struct Point: Codable, Sendable, Equatable {
        /// Optimizer steps done before the evaluation; 0 is the model as the run began with it.
        public var step: Int
        /// Which answers were right.
        public var answers: GradedAnswers
    }

    /// The step whose value of `metric_for_best_model` is the best one.
    public struct Best: Codable, Sendable, Equatable {
        /// The metric, as the log spells it.
        public var metric: String
        /// Its value.
        public var value: Double
        /// The optimizer step, from 1.
        public var step: Int
        /// The answers then; `nil` where the data have no reference answers.
        public var answers: GradedAnswers?
    }

    /// The first evaluation; `nil` before it, and where the data have no reference answers.
    public private(set) var first: Point?
    /// The newest one.
    public private(set) var last: Point?
    /// The best one after the first step, where one is chosen.
    public private(set) var best: Best?

    /// Takes the next evaluation.
    /// - Parameter criterion: how the best step is chosen, if it is.
    mutating func append(
        step: Int, _ answers: GradedAnswers?, _ record: MetricsRecord, _ criterion: BestModelCriterion?
    ) {
        if let answers {
            let point = Point(step: step, answers: answers)
            first = first ?? point
            last = point
        }
        // The model that the run began with has no checkpoint to go back to.
        guard let criterion, step > 0, let value = record[criterion.metric] else { return }
        if let best, best.metric == criterion.metric, !criterion.isBetter(value, than: best.value) { return }
        best = Best(metric: criterion.metric, value: value, step: step, answers: answers)
    }
}

/// How the best step of a run is chosen: `metric_for_best_model` and `greater_is_better`, as Transformers reads them.
struct BestModelCriterion: Sendable, Equatable {
    /// The metric of an evaluation's line, with `eval_` in front.
    let metric: String
    let greaterIsBetter: Bool
    /// Whether its checkpoint is kept, and is what the run ends with.
    let isKept: Bool

    /// `nil` where no step is chosen: neither a metric is named, nor the best model asked for, nor a plateau looked for.
    init?(_ configuration: GRPOConfiguration) {
        guard
            configuration.loadBestModelAtEnd || configuration.metricForBestModel != nil
                || configuration.optimizer.lrSchedulerType == .reduceOnPlateau
        else { return nil }
        let name = configuration.metricForBestModel ?? Self.defaultMetric
        metric = name.hasPrefix("eval_") ? name : "eval_" + name
        isKept = configuration.loadBestModelAtEnd
        greaterIsBetter = configuration.greaterIsBetter ?? !name.hasSuffix("loss")
    }

    /// Transformers takes the loss, which stays near 0 in GRPO whatever is learnt.
    private static let defaultMetric = "reward"

    func isBetter(_ value: Double, than other: Double) -> Bool { greaterIsBetter ? value > other : value < other }

    /// Checks that an evaluation measured the metric.
    /// - Throws: ``ConfigurationError`` with the metrics that it has.
    func check(_ record: MetricsRecord) throws(ConfigurationError) {
        let names = record.entries.map(\.name).filter { $0.hasPrefix("eval_") }
        guard !names.contains(metric) else { return }
        throw ConfigurationError(
            key: "metric_for_best_model", value: "'\(metric)'",
            rule: "is no metric of this run's evaluations: use one of \(names.joined(separator: ", "))")
    }
}
