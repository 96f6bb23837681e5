public import ApusData
import Foundation

/// Trains a policy by GRPO: samples groups of completions, scores them, and moves the policy towards the better ones.
///
/// A trainer is used from one task at a time; the policy runs on whatever executor called ``run()``.
public final class GRPOTrainer {
    /// The settings of the run.
    public let configuration: GRPOConfiguration
    /// The sizes of the run.
    public let plan: TrainingPlan
    /// Set it to let the run finish its optimizer step, save and stop.
    public let stopSignal: StopSignal
    /// Called for each event, in order, on the thread that trains.
    public var onEvent: (@Sendable (TrainingEvent) -> Void)? {
        get { loop.onEvent }
        set { loop.onEvent = newValue }
    }

    let loop: RunLoop
    let step: GRPOStep
    /// Measures the model on data of its own; nil without them.
    let evaluator: GRPOEvaluator?
    private let tokenizer: any PromptTokenizer
    private let reader: PromptReader
    /// What was left out of the data, one line each.
    private let dataNotices: [String]
    private var reports: RunReports?
    /// What hears of the run's log lines beside its own files; `report_to` names them. To be set before ``run()``.
    public var trackers: [any RunTracker] = []

    /// Checks everything that can be checked before the first step.
    /// - Throws: ``ConfigurationError`` or ``TrainingError``.
    public init(
        configuration: GRPOConfiguration, policy: Policy, tokenizer: any PromptTokenizer, dataset: Dataset,
        evaluationDataset: Dataset? = nil, rewards: [any RewardFunction], stopSignal: StopSignal = StopSignal()
    ) throws {
        try configuration.validate()
        try configuration.validate(rewardNames: rewards.map(\.name))
        var configuration = configuration
        let quantile = try PromptQuantile.settle(&configuration, by: dataset, tokenizer)
        let batch = try BatchPlan(configuration)
        let filter = PromptFilter(configuration, contextLength: policy.learner.contextLength, tokenizer: tokenizer)
        let (dataset, notice) = try filter.apply(to: dataset, "the data set")
        let evaluation = try evaluationDataset.map { try filter.apply(to: $0, "the evaluation data") }
        dataNotices = [quantile, notice, evaluation?.notice].compactMap { $0 }
        guard dataset.samples.count >= batch.promptsPerGeneration else {
            throw TrainingError(
                .tooFewPrompts,
                "the data set has \(dataset.samples.count) prompts, one generation takes \(batch.promptsPerGeneration): "
                    + "add prompts or lower gradient_accumulation_steps or per_device_train_batch_size")
        }
        try configuration.check(evaluationDataset: evaluationDataset)
        var plan = TrainingPlan(configuration, batch: batch, prompts: dataset.samples.count)
        plan.plannedMemory = policy.sampler.plannedMemory
        let loop = RunLoop(
            configuration, configuration.optimizer, configuration.output, extent: plan.extent(configuration),
            parameters: policy.learner.parameters,
            stopSignal: stopSignal, bestModel: BestModelCriterion(configuration))
        let scorer = RolloutScorer(
            configuration, sampler: policy.sampler, tokenizer: tokenizer, rewards: rewards, loop: loop)
        self.configuration = configuration
        self.plan = plan
        self.stopSignal = stopSignal
        self.tokenizer = tokenizer
        self.loop = loop
        step = GRPOStep(configuration, plan, dataset: dataset, policy: policy, scorer: scorer, loop: loop)
        evaluator = try evaluation.flatMap { data, _ in
            data.samples.isEmpty
                ? nil
                : try GRPOEvaluator(
                    configuration, plan, dataset: data, learner: policy.learner, scorer: scorer, loop: loop)
        }
        reader = PromptReader(
            configuration, tokenizer: tokenizer, learner: policy.learner, tell: { [weak loop] in loop?.tell($0) })
    }

    /// Trains until `max_steps`, or until ``stopSignal`` is set.
    ///
    /// Checkpoints, `trainer_state.json` and `metrics.jsonl` go to `output_dir`.
    /// - Returns: how it ended.
    /// - Throws: ``TrainingError``.
    public nonisolated(nonsending) func run() async throws -> TrainingOutcome {
        if trackers.isEmpty, let target = configuration.reportTo.first(where: { $0 != .tensorboard }) {
            throw ConfigurationError(
                key: "report_to", value: target.rawValue, rule: "needs a tracker: set the trainer's trackers")
        }
        loop.start()
        loop.tell(.started(plan))
        if let notice = plan.batch.notice { loop.tell(.notice(notice)) }
        for notice in dataNotices { loop.tell(.warning(notice)) }
        if configuration.evalStrategy != .no, let notice = evaluator?.notice { loop.tell(.notice(notice)) }
        step.promptTokens = try reader.tokens(
            of: step.usedPrompts(plan), in: step.dataset, "the data set", "prompts")
        if configuration.evalStrategy != .no { try evaluator?.prepare(reader) }
        defer {
            loop.close()
            reports = nil
        }
        try loop.open(identity: identity, tokenizer: tokenizer, for: self)
        reports = try RunReports(
            configuration, rewards: step.scorer.rewards, trackers: trackers, lastStep: loop.step,
            history: loop.state.history)
        if let memory = step.policy.sampler.memoryPlan { loop.tell(.notice(memory)) }
        try await step.publish()
        var outcome = try await loop.run(self)
        if !outcome.wasStopped { outcome.bestCheckpoint = try await loadBestModel() }
        return outcome
    }

    /// Samples completions of the evaluation prompts, scores them as training does, and logs TRL's metrics under `eval_…`.
    ///
    /// Nothing that training depends on changes: neither parameters and moments nor random numbers nor the metrics of the
    /// current log window. A run may call this itself between its steps; ``run()`` does, as `eval_strategy` says.
    /// - Returns: what was measured; `nil` without evaluation data, or when ``stopSignal`` was set meanwhile.
    /// - Throws: ``TrainingError``.
    @discardableResult
    public nonisolated(nonsending) func evaluate() async throws -> EvaluationReport? {
        guard let evaluator else { return nil }
        try evaluator.prepare(reader)
        let coefficient = step.entropy.activeCoefficient(configuration)
        guard let report = try await evaluator.evaluate(entropyCoefficient: coefficient) else { return nil }
        loop.tell(.evaluated(report))
        for warning in reports?.appendEvaluation(report.record) ?? [] { loop.tell(.warning(warning)) }
        return report
    }

    private var identity: [String: JSONValue] {
        let dataset = RunIdentity.digest(of: step.dataset)
        return RunIdentity.entries(of: step.policy.learner, dataset: dataset)
            .merging(RunIdentity.entries(of: step.scorer.rewards)) { $1 }
    }

    /// Gives the policy the parameters of the best evaluation, where `load_best_model_at_end` asks for it.
    /// - Returns: the checkpoint that they are from; `nil` when there is none to choose.
    private nonisolated(nonsending) func loadBestModel() async throws -> String? {
        guard configuration.loadBestModelAtEnd, let directory = loop.output?.directory else { return nil }
        guard let best = loop.state.evaluations.best else {
            loop.tell(
                .warning(
                    "load_best_model_at_end: no step was evaluated, so the last one stays; lower eval_steps or eval_delay"
                ))
            return nil
        }
        let checkpoint = SavedCheckpoint.url(step: best.step, in: directory.url)
        if best.step == loop.step { return checkpoint.path }
        do {
            try loop.parameters.restore(from: checkpoint)
        } catch {
            throw TrainingError(
                .output,
                "load_best_model_at_end: \(checkpoint.path) cannot be read: \(error); the last step is saved beside it")
        }
        try await step.publish()
        loop.tell(
            .notice(
                "\(best.metric) was best after step \(best.step): the run ends with \(checkpoint.lastPathComponent) "
                    + "(load_best_model_at_end)"))
        return checkpoint.path
    }
}

// MARK: What the loop asks

extension GRPOTrainer: TrainingMethod {
    nonisolated(nonsending) func computeGradients() async throws -> StepLoss {
        try await step.computeGradients(microSteps: loop.window.units.count)
    }

    nonisolated(nonsending) func stepEnded(isApplied: Bool) async throws { try await step.end(isApplied: isApplied) }

    /// After `max_skipped_steps` in a row the run writes down what it could not train on, and stops or goes back, as
    /// `on_not_finite` says.
    func giveUp(_ message: String, _ fault: NumericFault) throws(TrainingError) {
        let error = TrainingError(
            .notFinite, "\(message); \(step.writeSkippedBatch(fault)); earlier checkpoints are intact")
        guard configuration.onNotFinite == .restore, let checkpoint = step.restoreParameters() else { throw error }
        loop.state.counters.skippedInRow = 0
        step.wentBack = true
        loop.tell(.warning("\(error); goes on with the adapter of \(checkpoint) (on_not_finite)"))
    }

    nonisolated(nonsending) func evaluateIfDue() async throws {
        guard let evaluator, evaluator.isDue else { return }
        let isDone = loop.state.history.contains { $0.step == loop.step && $0.isEvaluation }
        if !isDone { try await evaluate() }
    }

    func observe(_ record: MetricsRecord) -> [String] { reports?.append(record, step.newestRollout) ?? [] }

    func checkProgress() throws(TrainingError) { try step.checkProgress() }

    func complete(_ snapshot: inout RunSnapshot) { step.complete(&snapshot) }

    func resume(_ point: ResumePoint) { step.resume(point, plan) }
}
