import ApusModel
import ApusTensor

/// What is only known within one GRPO optimizer step.
struct StepRecord {
    /// When it began, and how many tokens the run had seen then.
    var start: ContinuousClock.Instant?
    var tokensBefore = 0
    /// Seconds of sampling, and of reward functions.
    var samplingSeconds = 0.0
    var scoringSeconds = 0.0
    /// Seconds of forward and backward passes.
    var trainingSeconds = 0.0
    /// What was not finite, if anything was.
    var fault: NumericFault?
    /// The policy's log-probabilities, by row of the generation batch.
    var logProbs: [Int: [Float]] = [:]

    /// Logs how long the step took and what the process holds.
    func report(to state: inout RunState, at now: ContinuousClock.Instant) {
        state.metrics.append("time/train", trainingSeconds)
        let seconds = ((start ?? now).duration(to: now)) / .seconds(1)
        state.metrics.append("step_time", seconds)
        if state.counters.tokensSeen > tokensBefore {
            state.metrics.append("tokens_per_second", Double(state.counters.tokensSeen - tokensBefore) / seconds)
        }
        if let resident = ProcessMemory.resident {
            state.metrics.set("memory/resident_mib", Double(resident) / 1_048_576)
        }
    }
}
