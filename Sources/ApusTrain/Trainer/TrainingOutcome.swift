/// How a run ended.
public struct TrainingOutcome: Sendable, Equatable {
    /// Optimizer steps done.
    public var step: Int
    /// Whether it was stopped on request before its last step.
    public var wasStopped: Bool
    /// Mean loss of all steps (`train_loss`).
    public var meanLoss: Double
    /// Prompt and completion tokens of all generations.
    public var tokens: Int
    /// How long it took (`train_runtime`).
    public var seconds: Double
    /// What its evaluations showed.
    public var evaluations: EvaluationCourse
    /// The checkpoint whose parameters the policy ends with; `nil` unless `load_best_model_at_end` chose one.
    public var bestCheckpoint: String?

    init(_ state: RunState, of maxSteps: Int, seconds: Double) {
        step = state.counters.globalStep
        wasStopped = state.counters.globalStep < maxSteps
        meanLoss = state.counters.totalLoss / Double(max(state.counters.globalStep, 1))
        tokens = state.counters.tokensSeen
        evaluations = state.evaluations
        self.seconds = seconds
    }
}
