import ApusData
import ApusGeneration
import ApusModel

/// The evaluations within a GRPO run: completions of prompts of their own, scored as training scores its own.
final class GRPOEvaluator {
    /// Completions that are sampled together: what keeps the sampler's lanes filled, at whatever batch size.
    private static let completionsAtATime = 512

    /// Evaluations draw from a stream of random numbers of their own, and all from the same one: two of them differ by the
    /// model alone, and training draws what it would have drawn without them.
    private static let streamOfSeeds: UInt64 = 0x6576_616C << 32

    private let configuration: GRPOConfiguration
    private let plan: TrainingPlan
    private let dataset: Dataset
    private let batchPlan: EvaluationPlan
    private let learner: any Learner
    private let scorer: RolloutScorer
    private let loop: RunLoop
    private let loss: GRPOLoss
    /// The tokens of the prompts, by their index, once they are needed.
    private(set) var promptTokens: [Int: [Int32]]?

    init(
        _ configuration: GRPOConfiguration, _ plan: TrainingPlan, dataset: Dataset, learner: any Learner,
        scorer: RolloutScorer, loop: RunLoop
    ) throws(ConfigurationError) {
        self.configuration = configuration
        self.plan = plan
        self.dataset = dataset
        self.learner = learner
        self.scorer = scorer
        self.loop = loop
        batchPlan = try EvaluationPlan(configuration)
        loss = GRPOLoss(configuration)
    }

    /// What was changed to make the sizes fit.
    var notice: String? { batchPlan.notice }

    /// Turns the prompts into tokens, once.
    func prepare(_ reader: PromptReader) throws(TrainingError) {
        guard promptTokens == nil else { return }
        promptTokens = try reader.tokens(
            of: dataset.samples.indices, in: dataset, "the evaluation data", "evaluation prompts")
    }

    /// Whether the schedule asks for an evaluation after the step that the run has come to.
    var isDue: Bool {
        let step = loop.step
        guard configuration.evalStrategy != .no else { return false }
        guard step > 0 else { return configuration.evalOnStart }
        if let interval = configuration.evaluationInterval(of: plan.maxSteps) {
            return step % interval == 0 && Double(step) >= configuration.evalDelay
        }
        let counters = loop.state.counters
        return counters.microStep % plan.microStepsPerEpoch == 0 && counters.epoch >= configuration.evalDelay
    }

    /// Samples completions of the prompts, scores them as training does, and logs TRL's metrics under `eval_…`.
    /// - Parameter entropyCoefficient: the weight of the entropy bonus now.
    /// - Returns: what was measured; `nil` when the run was asked to stop meanwhile.
    nonisolated(nonsending) func evaluate(entropyCoefficient: Double?) async throws -> EvaluationReport? {
        let start = loop.clock.now
        loop.tell(.phase(.evaluation, step: loop.step))
        var evaluation = Evaluation(samples: dataset.samples)
        let promptsPerBatch = batchPlan.batchSize / batchPlan.groupSize
        let promptsAtATime = max(1, Self.completionsAtATime / batchPlan.batchSize) * promptsPerBatch
        let order = order
        var progress = PhaseProgress(
            .evaluation, step: loop.step,
            of: order.count * batchPlan.groupSize * configuration.maxCompletionLength, loop.onEvent)
        for (number, first) in stride(from: 0, to: order.count, by: promptsAtATime).enumerated() {
            let prompts = order[first..<min(first + promptsAtATime, order.count)]
            let completions = try await scorer.sample(
                prompts.map(tokens), request(number), "sample completions for the evaluation"
            ) { progress.advance(by: 1) }
            for begin in stride(from: prompts.startIndex, to: prompts.endIndex, by: promptsPerBatch) {
                let batch = prompts[begin..<min(begin + promptsPerBatch, prompts.endIndex)]
                let rows = batch.indices.map { completions[$0 - prompts.startIndex] }
                try await measure(Array(batch), rows, entropyCoefficient, in: &evaluation)
            }
            guard !loop.stopSignal.isRequested else { return nil }
        }
        return try finish(evaluation, seconds: (loop.clock.now - start) / .seconds(1))
    }

    private func tokens(_ prompt: Int) -> [Int32] { promptTokens?[prompt] ?? [] }

    /// The order in which TRL's evaluation loader draws the prompts.
    private var order: [Int] {
        var sampler = RepeatSampler(
            promptCount: dataset.samples.count, promptsPerGeneration: 1, shuffles: true, seed: configuration.seed)
        return Array(sampler.nextEpoch().joined())
    }

    private func request(_ number: Int) -> RolloutScorer.Request {
        var sampling = scorer.samplingParameters
        sampling.seed ^= Self.streamOfSeeds
        if let temperature = configuration.evalTemperature { sampling.temperature = Float(temperature) }
        return RolloutScorer.Request(groupSize: batchPlan.groupSize, ordinal: number, sampling: sampling)
    }

    /// Scores one batch and adds what TRL measures of it.
    private nonisolated(nonsending) func measure(
        _ prompts: [Int], _ completions: [[Completion]], _ entropyCoefficient: Double?,
        in evaluation: inout Evaluation
    ) async throws {
        let scored = try await scorer.score(
            prompts.map { (index: $0, sample: dataset.samples[$0], prompt: tokens($0)) }, completions,
            at: "the evaluation after step \(loop.step)")
        let advantages = scorer.advantages(scored.groups, groupSize: batchPlan.groupSize)
        let value = try loss(of: scorer.batch(scored.groups, advantages), entropyCoefficient)
        evaluation.add(scored, scorer.metrics(scored.groups, advantages), value)
    }

    /// The loss of a batch as TRL reports it, which on policy is the advantages' alone, and what it logs beside it.
    private func loss(
        of batch: GenerationBatch, _ entropyCoefficient: Double?
    ) throws(TrainingError) -> LossEvaluation {
        var batch = batch
        let all = Array(batch.rows.indices)
        let packed = PackedRows(all, of: batch)
        let temperature = Float(configuration.temperature)
        var scored: [Int: TokenScores] = [:]
        do {
            // A forward pass finds the sampler's rows where they were kept, and then costs nothing.
            packed.forEach(try learner.forward(packed.groups, temperature: temperature)) { scored[$0] = $1 }
            if configuration.beta != 0 {
                let reference = try learner.score(packed.groups, temperature: temperature, under: .reference)
                packed.forEach(reference) { batch.rows[$0].referenceLogProbs = $1.logProbs }
            }
        } catch {
            throw TrainingError.model(
                failedTo: "score completions of the evaluation", step: loop.step + 1, error)
        }
        return loss.evaluate(
            LossBatch(
                rows: all.map { LossRow(batch.rows[$0], scored[$0]) }, itemCount: batch.itemCount, window: 1,
                stepsPerGeneration: 1, isTraining: false, paddedLength: batch.paddedLength,
                entropyCoefficient: entropyCoefficient))
    }

    /// Logs an evaluation, in the order of TRL's line.
    private func finish(_ evaluation: Evaluation, seconds: Double) throws -> EvaluationReport {
        let means = evaluation.means(at: loop.step)
        var record = MetricsRecord(step: loop.step)
        record.append("eval_loss", evaluation.losses.mean)
        record.append("eval_runtime", seconds)
        record.append("eval_samples_per_second", Double(evaluation.samples.count) / seconds)
        record.append("eval_steps_per_second", Double(evaluation.losses.count) / seconds)
        record.append("eval_num_tokens", Double(loop.state.counters.tokensSeen))
        for entry in means.entries { record.append("eval_" + entry.name, entry.value) }
        let answers = evaluation.answers
        for grading in AnswerGrading.allCases {
            guard let accuracy = answers?.accuracy(grading) else { continue }
            record.append("eval_accuracy/\(grading.rawValue)", accuracy.value)
        }
        record.append("epoch", loop.state.counters.epoch)
        try loop.bestModel?.check(record)
        loop.state.history.append(record)
        loop.state.evaluations.append(step: loop.step, answers, record, loop.bestModel)
        try loop.output?.append(record, "an evaluation")
        return EvaluationReport(
            step: loop.step, record: record,
            loggedByRewards: means.entries.filter { evaluation.loggedNames.contains($0.name) },
            samples: evaluation.samples, completions: evaluation.completions, answers: answers)
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
    private(set) var completions: [[String]]
    /// One loss a batch.
    private(set) var losses: [Double] = []
    /// Names of what reward functions logged themselves.
    private(set) var loggedNames: Set<String> = []
    /// One value a batch under each name.
    private var window = MetricWindow()
    private var lengths: [Double] = []
    private var truncated = 0

    init(samples: [Sample]) {
        self.samples = samples
        completions = samples.map { _ in [] }
    }

    /// Takes a batch.
    /// - Parameter metrics: of its lengths and rewards.
    mutating func add(
        _ scored: RolloutScorer.Scored, _ metrics: [(name: String, value: Double)], _ loss: LossEvaluation
    ) {
        window.append(metrics + scored.failures + scored.logged)
        loggedNames.formUnion(scored.logged.map(\.name))
        losses.append(loss.loss)
        window.append(loss.metrics)
        for group in scored.groups {
            completions[group.sample] = group.texts
            lengths += group.completions.map { Double($0.tokens.count) }
            truncated += group.completions.count { $0.isTruncated }
        }
    }

    /// The means over all batches.
    func means(at step: Int) -> MetricsRecord {
        var record = MetricsRecord(step: step)
        var window = window
        window.drain(into: &record)
        return record
    }

    /// Which answers are right; `nil` where samples have no reference answer.
    var answers: GradedAnswers? {
        let references = samples.compactMap { $0.columns["answer"]?.answerText }
        guard references.count == samples.count else { return nil }
        return GradedAnswers(
            completions, references: references, meanLength: lengths.mean,
            truncatedShare: Double(truncated) / Double(max(lengths.count, 1)))
    }
}
