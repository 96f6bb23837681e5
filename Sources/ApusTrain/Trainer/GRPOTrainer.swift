public import ApusData
import Foundation

/// Trains a policy by GRPO: samples groups of completions, scores them, and moves the policy towards the better ones.
///
/// A trainer is used from one task at a time; the policy runs on whatever executor called ``run()``.
public final class GRPOTrainer {
    /// The settings of the run.
    public let configuration: GRPOConfiguration
    /// The sizes of the run.
    public private(set) var plan: TrainingPlan
    /// Set it to let the run finish its optimizer step, save and stop.
    public let stopSignal: StopSignal
    /// Called for each event, in order, on the thread that trains.
    public var onEvent: (@Sendable (TrainingEvent) -> Void)?

    let policy: any Policy
    let tokenizer: any PromptTokenizer
    /// The prompts that the run draws from: those that are too long are left out where `overlong_prompts` says so.
    let dataset: Dataset
    /// What was left out, one line each.
    private let dataNotices: [String]
    let rewards: [any RewardFunction]
    let loss: GRPOLoss
    private(set) var schedule: LearningRateSchedule
    /// The order in which the rows of the n-th generation are trained on; replaced to repeat a recorded run.
    var rowOrder: (_ count: Int, _ generation: Int) -> [Int]
    var state = RunState()
    /// The weight of the entropy bonus.
    var entropy: EntropyController
    /// What is only known within an optimizer step.
    var currentStep = StepRecord()
    /// The order of the prompts, and how far the run has come in it.
    var promptStream: PromptStream
    var promptSelection = PromptSelection()
    /// The tokens of the prompts that this run uses, by their index in the data set.
    var promptTokens: [Int: [Int32]] = [:]
    var generation: GenerationBatch?
    /// Reward functions that failed: which were told of, and for how many generations in a row each was broken.
    var failingRewards = FailingRewards()
    /// What the model is evaluated on, if anything.
    let evaluationDataset: Dataset?
    let evaluationPlan: EvaluationPlan
    /// How the best step is chosen, if it is.
    let bestModel: BestModelCriterion?
    /// The tokens of the evaluation prompts, once they are needed.
    var evaluationTokens: [[Int32]]?
    /// Whether this run has said that memory is short: once is enough.
    var hasToldOfShortfall = false
    /// Whether it has said that a prompt brings along the token that begins every text.
    var hasToldOfBeginning = false
    var output: RunOutput?
    var reports: RunReports?
    let clock = ContinuousClock()

    /// Checks everything that can be checked before the first step.
    /// - Throws: ``ConfigurationError`` or ``TrainingError``.
    public init(
        configuration: GRPOConfiguration, policy: any Policy, tokenizer: any PromptTokenizer, dataset: Dataset,
        evaluationDataset: Dataset? = nil, rewards: [any RewardFunction], stopSignal: StopSignal = StopSignal()
    ) throws {
        try configuration.validate()
        try configuration.validate(rewardNames: rewards.map(\.name))
        let batch = try BatchPlan(configuration)
        let filter = PromptFilter(configuration, contextLength: policy.contextLength, tokenizer: tokenizer)
        let (dataset, notice) = try filter.apply(to: dataset, "the data set")
        let evaluation = try evaluationDataset.map { try filter.apply(to: $0, "the evaluation data") }
        dataNotices = [notice, evaluation?.notice].compactMap { $0 }
        guard dataset.samples.count >= batch.promptsPerGeneration else {
            throw TrainingError(
                .tooFewPrompts,
                "the data set has \(dataset.samples.count) prompts, one generation takes \(batch.promptsPerGeneration): "
                    + "add prompts or lower gradient_accumulation_steps or per_device_train_batch_size")
        }
        try Self.check(configuration, evaluationDataset: evaluationDataset)
        evaluationPlan = try EvaluationPlan(configuration)
        self.evaluationDataset = evaluation?.dataset
        bestModel = BestModelCriterion(configuration)
        self.configuration = configuration
        self.policy = policy
        self.tokenizer = tokenizer
        self.dataset = dataset
        self.rewards = rewards
        self.stopSignal = stopSignal
        plan = TrainingPlan(configuration, batch: batch, prompts: dataset.samples.count)
        plan.plannedMemory = policy.plannedMemory
        promptStream = PromptStream(
            RepeatSampler(
                promptCount: plan.prompts, promptsPerGeneration: batch.promptsPerGeneration,
                shuffles: configuration.shuffleDataset, seed: configuration.dataSeed ?? configuration.seed))
        loss = GRPOLoss(configuration)
        schedule = LearningRateSchedule(configuration, maxSteps: plan.maxSteps)
        if let bestModel { schedule.greaterIsBetter = bestModel.greaterIsBetter }
        entropy = EntropyController(configuration)
        let seed = configuration.seed
        let keepsGroups = Self.keepsGroupsTogether(configuration, batch)
        rowOrder = { keepsGroups ? Array(0..<$0) : RowShuffle.order(count: $0, generation: $1, seed: seed) }
    }

    /// Trains until `max_steps`, or until ``stopSignal`` is set.
    ///
    /// Checkpoints, `trainer_state.json` and `metrics.jsonl` go to `output_dir`.
    /// - Returns: how it ended.
    /// - Throws: ``TrainingError``.
    public nonisolated(nonsending) func run() async throws -> TrainingOutcome {
        let start = clock.now
        onEvent?(.started(plan))
        if let notice = plan.batch.notice { onEvent?(.notice(notice)) }
        for notice in dataNotices { onEvent?(.warning(notice)) }
        if configuration.evalStrategy != .no, let notice = evaluationPlan.notice { onEvent?(.notice(notice)) }
        try preparePrompts()
        if configuration.evalStrategy != .no { try prepareEvaluationPrompts() }
        defer { closeOutput() }
        try openOutput()
        reports = try RunReports(configuration, rewards: rewards, lastStep: state.globalStep, history: state.history)
        if let memory = policy.memoryPlan { onEvent?(.notice(memory)) }
        var epoch = state.microStep / plan.microStepsPerEpoch
        // A run that was stopped in the middle of an evaluation makes up for it here.
        try await evaluateIfDue()
        while !isFinished {
            try await runEpoch(epoch)
            epoch += 1
        }
        try logIfNeeded(force: true)
        // A request that came after the last save was considered.
        if stopSignal.isRequested { try saveIfNeeded(isEpochEnd: false) }
        var outcome = TrainingOutcome(state, of: plan.maxSteps, seconds: (clock.now - start) / .seconds(1))
        if !outcome.wasStopped { outcome.bestCheckpoint = try loadBestModel() }
        return outcome
    }

    /// Whether rows are trained on group by group, so that completions share the passes over their prompt.
    ///
    /// TRL shuffles the rows of a generation batch over its micro-steps. When all of them belong to one optimizer step and the
    /// loss is a sum over rows, the order cannot change the step; else the rows are shuffled as TRL does.
    static func keepsGroupsTogether(_ configuration: GRPOConfiguration, _ batch: BatchPlan) -> Bool {
        let isSumOverRows =
            configuration.lossType != .bnpo && configuration.topEntropyQuantile == 1 && configuration.entropyCoef == 0
            && !configuration.useAdaptiveEntropy
        return isSumOverRows && !batch.needsOldLogProbs && batch.generateEvery == batch.stepsPerGeneration
    }

    private func closeOutput() {
        output = nil
        reports = nil
    }

    private var isFinished: Bool { state.globalStep >= plan.maxSteps || stopSignal.isRequested }

    /// One pass over the prompts; the last optimizer step may have fewer micro-steps than the others.
    private nonisolated(nonsending) func runEpoch(_ epoch: Int) async throws {
        let accumulation = plan.batch.accumulationSteps
        let begin = state.microStep - epoch * plan.microStepsPerEpoch
        for first in stride(from: begin, to: plan.microStepsPerEpoch, by: accumulation) {
            guard !isFinished else { return }
            let window = first..<min(first + accumulation, plan.microStepsPerEpoch)
            try await optimizerStep(window)
            state.epoch = Double(epoch) + Double(window.upperBound) / Double(plan.microStepsPerEpoch)
            onEvent?(.stepFinished(step: state.globalStep, of: plan.maxSteps))
            try logIfNeeded(force: false)
            try await evaluateIfDue()
            try saveIfNeeded(isEpochEnd: window.upperBound == plan.microStepsPerEpoch)
            try stopIfNothingIsLearned()
        }
    }

    private func logIfNeeded(force: Bool) throws(TrainingError) {
        guard let record = try output?.logIfDue(&state, force: force) else { return }
        let warnings = reports?.append(record) ?? []
        onEvent?(.logged(record))
        for warning in warnings { onEvent?(.warning(warning)) }
    }
}
