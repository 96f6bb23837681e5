/// Where a run is: the numbers that a continuation starts from.
struct RunCounters: Codable, Sendable, Equatable {
    /// Optimizer steps done, counting those that were skipped.
    var globalStep = 0
    /// Optimizer steps that changed the parameters.
    var appliedSteps = 0
    /// Micro-steps done.
    var microStep = 0
    /// Generations done.
    var generations = 0
    /// Passes over the prompts done, with the part of the current one.
    var epoch = 0.0
    /// Prompt and completion tokens of all generations.
    var tokensSeen = 0
    /// Steps in a row that were skipped because something was not finite.
    var skippedInRow = 0
    /// Steps that were skipped so far.
    var skippedSteps = 0
    /// Generations in a row in which no group taught anything.
    var emptyGenerationsInRow = 0
    /// Sum of the micro-losses since the last log line.
    var lossSum = 0.0
    /// Sum of the losses of all steps.
    var totalLoss = 0.0
    /// Optimizer steps since the last log line.
    var stepsSinceLog = 0
}

/// What a run knows while it goes on.
@dynamicMemberLookup
struct RunState: Sendable {
    /// Where the run is.
    var counters = RunCounters()
    /// Global gradient norm of the last step, before clipping.
    var gradientNorm = 0.0
    /// Learning rate of the last step.
    var learningRate = 0.0
    /// Seconds of forward and backward passes in the current optimizer step.
    var trainingSeconds = 0.0
    /// The step of the newest checkpoint.
    var savedStep: Int?
    /// What was not finite in the current optimizer step, if anything was.
    var fault: NumericFault?
    /// The policy's log-probabilities in the current optimizer step, by row of the generation batch.
    var stepLogProbs: [Int: [Float]] = [:]
    /// Metrics since the last log line.
    var metrics = MetricWindow()
    /// All log lines.
    var history: [MetricsRecord] = []
    /// The weight of the entropy bonus.
    var entropy: EntropyController

    init(entropy: EntropyController) { self.entropy = entropy }

    subscript<Value>(dynamicMember path: WritableKeyPath<RunCounters, Value>) -> Value {
        get { counters[keyPath: path] }
        set { counters[keyPath: path] = newValue }
    }
}
