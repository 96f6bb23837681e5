/// Where a run is: the numbers that a continuation starts from.
struct RunCounters: Codable, Sendable, Equatable {
    /// Optimizer steps done, counting those that were skipped.
    var globalStep = 0
    /// Optimizer steps that changed the parameters.
    var appliedSteps = 0
    /// Micro-steps done; a supervised run does not count them.
    var microStep = 0
    /// Generations done.
    var generations = 0
    /// Passes over the data done, with the part of the current one.
    var epoch = 0.0
    /// Tokens of all sequences so far, prompts and completions.
    var tokensSeen = 0
    /// Steps in a row that were skipped because something was not finite.
    var skippedInRow = 0
    /// Steps that were skipped so far.
    var skippedSteps = 0
    /// Generations in a row in which no group taught anything.
    var emptyGenerationsInRow = 0
    /// Sum of the losses since the last log line.
    var lossSum = 0.0
    /// Sum of the losses of all steps.
    var totalLoss = 0.0
    /// Optimizer steps since the last log line.
    var stepsSinceLog = 0
}

/// What every run knows while it goes on.
struct RunState: Sendable {
    /// Where the run is.
    var counters = RunCounters()
    /// Global gradient norm of the last step, before clipping.
    var gradientNorm = 0.0
    /// Learning rate of the last step.
    var learningRate = 0.0
    /// The step of the newest checkpoint.
    var savedStep: Int?
    /// Metrics since the last log line.
    var metrics = MetricWindow()
    /// All log lines.
    var history: [MetricsRecord] = []
    /// What the evaluations showed so far.
    var evaluations = EvaluationCourse()

    /// Counts an optimizer step that is done.
    mutating func countStep(loss: Double) {
        if counters.skippedSteps > 0 { metrics.set("skipped_steps", Double(counters.skippedSteps)) }
        counters.globalStep += 1
        counters.stepsSinceLog += 1
        counters.lossSum += loss
        counters.totalLoss += loss
    }

    /// The log line of the steps since the last one, which also goes to ``history``.
    mutating func takeLogLine() -> MetricsRecord {
        var record = MetricsRecord(step: counters.globalStep)
        record.append("loss", counters.lossSum / Double(counters.stepsSinceLog))
        record.append("grad_norm", gradientNorm)
        record.append("learning_rate", learningRate)
        metrics.drain(into: &record)
        record.append("epoch", counters.epoch)
        counters.lossSum = 0
        counters.stepsSinceLog = 0
        history.append(record)
        return record
    }
}
