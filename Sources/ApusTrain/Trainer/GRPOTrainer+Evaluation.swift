import ApusData
import ApusGeneration
import ApusModel

extension GRPOTrainer {
    /// Completions that are sampled together: what keeps the sampler's lanes filled, at whatever batch size.
    private static let completionsAtATime = 512

    /// Evaluations draw from a stream of random numbers of their own, and all from the same one: two of them differ by the
    /// model alone, and training draws what it would have drawn without them.
    private static let streamOfSeeds: UInt64 = 0x6576_616C << 32

    /// Checks that there is something to evaluate on when a configuration asks for it.
    static func check(
        _ configuration: GRPOConfiguration, evaluationDataset: Dataset?
    ) throws(ConfigurationError) {
        guard configuration.evalStrategy != .no, evaluationDataset?.samples.isEmpty ?? true else { return }
        throw ConfigurationError(
            key: "eval_strategy", value: configuration.evalStrategy.rawValue,
            rule: "needs data to evaluate on: give eval_dataset_name, or eval_size to split it off the training data")
    }

    /// Optimizer steps between evaluations, where steps are what counts.
    var evaluationInterval: Int? {
        guard configuration.evalStrategy == .steps else { return nil }
        return configuration.interval(configuration.evalSteps ?? configuration.loggingSteps, of: plan.maxSteps)
    }

    /// Evaluates when the schedule says so and it was not done at this step yet.
    nonisolated(nonsending) func evaluateIfDue() async throws {
        let step = state.globalStep
        let isDone = state.history.contains { $0.step == step && $0.isEvaluation }
        if isEvaluationDue, !isDone { try await evaluate() }
    }

    private var isEvaluationDue: Bool {
        let step = state.globalStep
        guard configuration.evalStrategy != .no else { return false }
        guard step > 0 else { return configuration.evalOnStart }
        if let interval = evaluationInterval { return step % interval == 0 && Double(step) >= configuration.evalDelay }
        return state.microStep % plan.microStepsPerEpoch == 0 && state.epoch >= configuration.evalDelay
    }

    /// Samples completions of the evaluation prompts, scores them as training does, and logs TRL's metrics under `eval_…`.
    ///
    /// Nothing that training depends on changes: neither parameters and moments nor random numbers nor the metrics of the
    /// current log window. A run may call this itself between its steps; ``run()`` does, as `eval_strategy` says.
    /// - Returns: what was measured; `nil` without evaluation data, or when ``stopSignal`` was set meanwhile.
    /// - Throws: ``TrainingError``.
    @discardableResult
    public nonisolated(nonsending) func evaluate() async throws -> EvaluationReport? {
        guard let dataset = evaluationDataset, !dataset.samples.isEmpty else { return nil }
        try prepareEvaluationPrompts()
        let start = clock.now
        onEvent?(.phase(.evaluation, step: state.globalStep))
        var evaluation = Evaluation(samples: dataset.samples)
        let promptsAtATime = max(1, Self.completionsAtATime / evaluationPlan.batchSize) * promptsPerBatch
        let order = evaluationOrder
        var progress = PhaseProgress(
            .evaluation, step: state.globalStep,
            of: order.count * evaluationPlan.groupSize * configuration.maxCompletionLength, onEvent)
        for (number, first) in stride(from: 0, to: order.count, by: promptsAtATime).enumerated() {
            let prompts = Array(order[first..<min(first + promptsAtATime, order.count)])
            let rows = try sample(prompts, number: number, &progress)
            for begin in stride(from: 0, to: prompts.count, by: promptsPerBatch) {
                let batch = begin..<min(begin + promptsPerBatch, prompts.count)
                try await measure(Array(prompts[batch]), Array(rows[batch]), in: &evaluation)
            }
            guard !stopSignal.isRequested else { return nil }
        }
        return try finish(evaluation, seconds: (clock.now - start) / .seconds(1))
    }

    private var promptsPerBatch: Int { evaluationPlan.batchSize / evaluationPlan.groupSize }

    /// The order in which TRL's evaluation loader draws the prompts.
    private var evaluationOrder: [Int] {
        var sampler = RepeatSampler(
            promptCount: evaluationTokens?.count ?? 0, promptsPerGeneration: 1, shuffles: true,
            seed: configuration.seed)
        return Array(sampler.nextEpoch().joined())
    }

    /// Completions of some prompts, `[prompt][completion]`.
    private func sample(
        _ prompts: [Int], number: Int, _ progress: inout PhaseProgress
    ) throws(TrainingError) -> [[Completion]] {
        var sampling = samplingParameters
        sampling.seed ^= Self.streamOfSeeds
        if let temperature = configuration.evalTemperature { sampling.temperature = Float(temperature) }
        let tokens = prompts.map { evaluationTokens?[$0] ?? [] }
        return try onPolicy("sample completions for the evaluation") {
            try policy.generate(
                tokens, groupSize: evaluationPlan.groupSize, step: number, sampling: sampling, continuesBatch: false
            ) {
                progress.advance(by: 1)
            }
        }
    }

    /// Scores one batch and adds what TRL measures of it.
    private nonisolated(nonsending) func measure(
        _ prompts: [Int], _ completions: [[Completion]], in evaluation: inout Evaluation
    ) async throws {
        let rows = completions.enumerated().flatMap { group, completions in
            completions.map { completion in
                let isMasked = configuration.maskTruncatedCompletions && completion.isTruncated
                return RolloutRow(group: group, completion: completion, isMasked: isMasked)
            }
        }
        var batch = GenerationBatch(
            prompts: prompts.map { evaluationTokens?[$0] ?? [] }, rows: rows, sampledAtStep: state.globalStep)
        let texts = completions.map { $0.map { tokenizer.text(of: $0.tokens) } }
        let samples = prompts.map { evaluation.samples[$0] }
        let name = "the evaluation after step \(state.globalStep)"
        let scored = try await evaluateRewards(
            RewardContext(
                samples: rows.map { samples[$0.group] }, completions: texts.flatMap(\.self),
                completionTokens: rows.map(\.completion.tokens), globalStep: state.globalStep, maxSteps: plan.maxSteps,
                epoch: state.epoch),
            at: name)
        let table = scored.matrix
        let advantages = Advantages(
            table: table, weights: configuration.rewardWeights ?? rewards.map { _ in 1 },
            groupSize: evaluationPlan.groupSize, scaling: configuration.scaleRewards,
            aggregation: configuration.multiObjectiveAggregation)
        for row in rows.indices { batch.rows[row].advantage = advantages.values[row] }
        evaluation.add(rows)
        evaluation.window.append(
            RewardMetrics.metrics(table: table, names: rewards.map(\.name), advantages: advantages))
        evaluation.window.append(failureMetrics(scored, at: name))
        let logged = Self.loggedMetrics(scored)
        evaluation.window.append(logged)
        evaluation.loggedNames.formUnion(logged.map(\.name))
        let value = try lossOfEvaluation(&batch)
        evaluation.losses.append(value.loss)
        evaluation.window.append(value.metrics)
        for (prompt, texts) in zip(prompts, texts) { evaluation.completions[prompt] = texts }
    }

    /// The loss of a batch as TRL reports it, which on policy is the advantages' alone, and what it logs beside it.
    private func lossOfEvaluation(_ batch: inout GenerationBatch) throws(TrainingError) -> LossEvaluation {
        let all = Array(batch.rows.indices)
        let packed = PackedRows(all, of: batch)
        var scored: [Int: TokenScores] = [:]
        let result = try onPolicy("score completions of the evaluation") {
            // A forward pass finds the sampler's rows where they were kept, and then costs nothing.
            try policy.forward(packed.groups, temperature: Float(configuration.temperature))
        }
        packed.forEach(result) { scored[$0] = $1 }
        if configuration.beta != 0 {
            let reference = try onPolicy("score completions of the evaluation") {
                try policy.score(
                    packed.groups, temperature: Float(configuration.temperature), adapterEnabled: false)
            }
            packed.forEach(reference) { batch.rows[$0].referenceLogProbs = $1.logProbs }
        }
        return loss.evaluate(
            LossBatch(
                rows: all.map { lossRow(batch.rows[$0], scored[$0]) }, itemCount: batch.itemCount, window: 1,
                stepsPerGeneration: 1, isTraining: false, paddedLength: batch.paddedLength,
                entropyCoefficient: entropy.activeCoefficient(configuration)))
    }

    /// Logs an evaluation, in the order of TRL's line.
    private func finish(_ evaluation: Evaluation, seconds: Double) throws -> EvaluationReport {
        var record = MetricsRecord(step: state.globalStep)
        record.append("eval_loss", evaluation.losses.mean)
        record.append("eval_runtime", seconds)
        record.append("eval_samples_per_second", Double(evaluation.samples.count) / seconds)
        record.append("eval_steps_per_second", Double(evaluation.losses.count) / seconds)
        record.append("eval_num_tokens", Double(state.tokensSeen))
        var means = MetricsRecord(step: state.globalStep)
        var window = evaluation.window
        window.drain(into: &means)
        for entry in means.entries { record.append("eval_" + entry.name, entry.value) }
        let answers = evaluation.answers
        for grading in AnswerGrading.allCases {
            guard let accuracy = answers?.accuracy(grading) else { continue }
            record.append("eval_accuracy/\(grading.rawValue)", accuracy.value)
        }
        record.append("epoch", state.epoch)
        try bestModel?.check(record)
        state.history.append(record)
        state.evaluations.append(step: state.globalStep, answers, record, bestModel)
        try output?.append(record, "an evaluation")
        let report = EvaluationReport(
            step: state.globalStep, record: record,
            loggedByRewards: means.entries.filter { evaluation.loggedNames.contains($0.name) },
            samples: evaluation.samples, completions: evaluation.completions, answers: answers)
        onEvent?(.evaluated(report))
        for warning in reports?.appendEvaluation(record) ?? [] { onEvent?(.warning(warning)) }
        return report
    }
}

extension MetricsRecord {
    /// Whether the line is of an evaluation rather than of training.
    var isEvaluation: Bool { entries.contains { $0.name == "eval_loss" } }
}

/// An evaluation in progress.
private struct Evaluation {
    let samples: [Sample]
    /// `[sample][completion]`.
    var completions: [[String]]
    /// One loss a batch.
    var losses: [Double] = []
    /// One value a batch under each name.
    var window = MetricWindow()
    /// Names of what reward functions logged themselves.
    var loggedNames: Set<String> = []
    private var lengths: [Double] = []
    private var truncated = 0

    init(samples: [Sample]) {
        self.samples = samples
        completions = samples.map { _ in [] }
    }

    /// Takes the lengths of completions.
    mutating func add(_ rows: [RolloutRow]) {
        window.append(GRPOTrainer.lengthMetrics(rows))
        lengths += rows.map { Double($0.completion.tokens.count) }
        truncated += rows.count { $0.completion.isTruncated }
    }

    /// Which answers are right; `nil` where samples have no reference answer.
    var answers: GradedAnswers? {
        let references = samples.compactMap { $0.columns["answer"]?.string }
        guard references.count == samples.count else { return nil }
        return GradedAnswers(
            completions, references: references, meanLength: lengths.mean,
            truncatedShare: Double(truncated) / Double(max(lengths.count, 1)))
    }
}
