/// What is only known within one GRPO optimizer step.
struct StepRecord {
    /// Seconds of sampling, and of reward functions.
    var samplingSeconds = 0.0
    var scoringSeconds = 0.0
    /// Seconds of forward and backward passes.
    var trainingSeconds = 0.0
    /// What was not finite, if anything was.
    var fault: NumericFault?
    /// The policy's log-probabilities, by row of the generation batch.
    var logProbs: [Int: [Float]] = [:]
}
