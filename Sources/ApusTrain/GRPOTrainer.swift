public import ApusData

/// Trains a policy by GRPO: samples groups of completions, scores them, and moves the policy towards the better ones.
public final class GRPOTrainer {
    /// The settings of the run.
    public let configuration: GRPOConfiguration
    /// The sizes of the run.
    public let plan: TrainingPlan
    /// Set it to let the run finish its step, save and stop.
    public let stopSignal = StopSignal()
    /// Called for each event, on the thread that trains.
    public var onEvent: (@Sendable (TrainingEvent) -> Void)?

    let policy: any Policy
    let tokenizer: any PromptTokenizer
    let dataset: Dataset
    let rewards: [any RewardFunction]

    /// Checks everything that can be checked before the first step.
    /// - Throws: ``ConfigurationError`` or ``TrainingError``.
    public init(
        configuration: GRPOConfiguration, policy: any Policy, tokenizer: any PromptTokenizer, dataset: Dataset,
        rewards: [any RewardFunction]
    ) throws {
        self.configuration = configuration
        self.policy = policy
        self.tokenizer = tokenizer
        self.dataset = dataset
        self.rewards = rewards
        self.plan = TrainingPlan(batch: try BatchPlan(configuration), prompts: 0, stepsPerEpoch: 0, maxSteps: 0)
    }

    /// Trains until `max_steps`, or until ``stopSignal`` is set.
    /// - Returns: how it ended.
    /// - Throws: ``TrainingError``.
    public nonisolated(nonsending) func run() async throws -> TrainingOutcome {
        TrainingOutcome(step: 0, wasStopped: false)
    }
}

/// How a run ended.
public struct TrainingOutcome: Sendable, Equatable {
    /// Optimizer steps done.
    public var step: Int
    /// Whether it was stopped on request.
    public var wasStopped: Bool
}
