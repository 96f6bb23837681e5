/// What a supervised run knows while it goes on.
struct SFTState {
    /// Steps in a row that may be skipped before the run gives up.
    static let skippedStepLimit = 5

    /// Optimizer steps done, counting those that were skipped.
    var step = 0
    /// Optimizer steps that changed the parameters.
    var appliedSteps = 0
    /// Passes over the data done, with the part of the current one.
    var epoch = 0.0
    /// Tokens of all sequences so far.
    var tokensSeen = 0
    /// Steps in a row that were skipped because something was not finite.
    var skippedInRow = 0
    /// Sum of the losses of all steps.
    var totalLoss = 0.0
    /// Global gradient norm of the last step, before clipping.
    var gradientNorm = 0.0
    /// Learning rate of the last step.
    var learningRate = 0.0
    /// The step of the newest checkpoint.
    var savedStep: Int?
    /// Losses and other means since the last log line.
    var window = MetricWindow()
    /// Optimizer steps since the last log line.
    var stepsSinceLog = 0
    /// All log lines.
    var history: [MetricsRecord] = []

    /// Counts a step that is done.
    mutating func add(_ scores: StepScores) {
        step += 1
        stepsSinceLog += 1
        if scores.loss.isFinite { totalLoss += scores.loss }
        window.append("loss", scores.loss)
        window.set("grad_norm", gradientNorm)
        window.set("learning_rate", learningRate)
        window.append("entropy", scores.meanEntropy)
        window.set("num_tokens", Double(tokensSeen))
        window.append("mean_token_accuracy", scores.accuracy)
    }
}
