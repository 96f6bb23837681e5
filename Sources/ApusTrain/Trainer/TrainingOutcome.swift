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

    init(_ state: RunState, of maxSteps: Int, seconds: Double) {
        step = state.globalStep
        wasStopped = state.globalStep < maxSteps
        meanLoss = state.totalLoss / Double(max(state.globalStep, 1))
        tokens = state.tokensSeen
        self.seconds = seconds
    }
}
