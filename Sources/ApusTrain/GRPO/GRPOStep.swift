import ApusData
import ApusGeneration
import ApusModel

/// The gradients of a GRPO run: from the prompts of a generation batch to the loss of its micro-steps.
final class GRPOStep {
    let configuration: GRPOConfiguration
    let batchPlan: BatchPlan
    let dataset: Dataset
    let policy: Policy
    let scorer: RolloutScorer
    let loop: RunLoop
    let loss: GRPOLoss
    /// The order in which the rows of the n-th generation are trained on; replaced to repeat a recorded run.
    var rowOrder: (_ count: Int, _ generation: Int) -> [Int]
    /// The weight of the entropy bonus.
    var entropy: EntropyController
    /// What is only known within an optimizer step.
    var record = StepRecord()
    /// The order of the prompts, and how far the run has come in it.
    var promptStream: PromptStream
    var promptSelection = PromptSelection()
    /// The tokens of the prompts that this run uses, by their index in the data set.
    var promptTokens: [Int: [Int32]] = [:]
    private(set) var generation: GenerationBatch?
    /// The newest generation batch with its texts.
    var newestRollout: RolloutReport?
    /// Whether the parameters went back to a checkpoint since the sampler took them.
    var wentBack = false

    init(
        _ configuration: GRPOConfiguration, _ plan: TrainingPlan, dataset: Dataset, policy: Policy,
        scorer: RolloutScorer, loop: RunLoop
    ) {
        self.configuration = configuration
        self.dataset = dataset
        self.policy = policy
        self.scorer = scorer
        self.loop = loop
        batchPlan = plan.batch
        promptStream = PromptStream(
            RepeatSampler(
                promptCount: plan.prompts, promptsPerGeneration: plan.batch.promptsPerGeneration,
                shuffles: configuration.shuffleDataset, seed: configuration.dataSeed ?? configuration.seed))
        loss = GRPOLoss(configuration)
        entropy = EntropyController(configuration)
        let seed = configuration.seed
        let keepsGroups = Self.keepsGroupsTogether(configuration, plan.batch)
        rowOrder = { keepsGroups ? Array(0..<$0) : RowShuffle.order(count: $0, generation: $1, seed: seed) }
    }

    /// Whether rows are trained on group by group, so that completions share the passes over their prompt.
    ///
    /// TRL shuffles the rows of a generation batch over its micro-steps. When all of them belong to one optimizer step and the
    /// loss is a sum over rows, the order cannot change the step; else the rows are shuffled as TRL does.
    private static func keepsGroupsTogether(_ configuration: GRPOConfiguration, _ batch: BatchPlan) -> Bool {
        let isSumOverRows =
            configuration.lossType != .bnpo && configuration.topEntropyQuantile == 1 && configuration.entropyCoef == 0
            && !configuration.useAdaptiveEntropy
        return isSumOverRows && !batch.needsOldLogProbs && batch.generateEvery == batch.stepsPerGeneration
    }

    /// The prompts that the run will draw, or may draw, by their index in the data set.
    func usedPrompts(_ plan: TrainingPlan) -> Set<Int> {
        guard !configuration.drawsBeyondBatch else { return Set(0..<plan.prompts) }
        let every = batchPlan.generateEvery
        let generations = (plan.maxSteps * batchPlan.accumulationSteps + every - 1) / every
        var stream = promptStream
        var used: Set<Int> = []
        var position = 0
        while position / batchPlan.promptsPerGeneration < generations, used.count < plan.prompts {
            used.insert(stream.prompt(at: position))
            position += 1
        }
        return used
    }

    /// The gradients of an optimizer step, a micro-step at a time.
    nonisolated(nonsending) func computeGradients(microSteps count: Int) async throws -> StepLoss {
        record = StepRecord(start: loop.clock.now, tokensBefore: loop.state.counters.tokensSeen)
        var progress = PhaseProgress(
            .train, step: loop.step + 1, of: count * batchPlan.microBatchSize, loop.onEvent)
        var loss = 0.0
        for _ in 0..<count {
            let batch = try await currentBatch()
            loss += try trainingMicroStep(batch, window: count)
            loop.state.counters.microStep += 1
            progress.advance(by: batchPlan.microBatchSize)
        }
        return StepLoss(loss: loss, fault: record.fault)
    }

    /// Ends an optimizer step: the bonus of its entropy, and how long everything took.
    nonisolated(nonsending) func end(isApplied: Bool) async throws {
        if isApplied || wentBack { try await publish() }
        entropy.endWindow(configuration, isApplied: isApplied)
        if configuration.useAdaptiveEntropy { loop.state.metrics.append("entropy_coef", entropy.coefficient) }
        record.report(to: &loop.state, at: loop.clock.now)
    }

    /// Gives the sampler the parameters as they are now.
    nonisolated(nonsending) func publish() async throws {
        do {
            try await policy.sampler.publish(policy.learner.parameters)
            wentBack = false
        } catch {
            throw TrainingError(
                .policy, "the sampler failed to take the parameters of step \(loop.step + 1): \(error)")
        }
    }

    /// The generation batch that the next micro-step takes a slice of: a new one when its turn has come.
    private nonisolated(nonsending) func currentBatch() async throws -> GenerationBatch {
        // Without a batch in the middle of one, a forced continuation began there with other sizes.
        if let generation, loop.state.counters.microStep % batchPlan.generateEvery != 0 { return generation }
        let batch = try await generateAndScore()
        generation = batch
        record.logProbs = [:]
        return batch
    }

    /// The loss of one slice of the generation batch and its gradients. What is not finite counts as 0, and the step is
    /// skipped.
    private func trainingMicroStep(_ generation: GenerationBatch, window: Int) throws(TrainingError) -> Double {
        let start = loop.clock.now
        defer { record.trainingSeconds += (loop.clock.now - start) / .seconds(1) }
        let steps = batchPlan.stepsPerGeneration
        let selection = generation.slice(loop.state.counters.microStep % steps, of: steps)
        let packed = PackedRows(selection.filter { needsScores(generation.rows[$0]) }, of: generation)
        var scores: [Int: TokenScores] = [:]
        if !packed.groups.isEmpty {
            let result = try onPolicy("compute log-probabilities") {
                try policy.learner.forward(packed.groups, temperature: Float(configuration.temperature))
            }
            packed.forEach(result) { scores[$0] = $1 }
        }
        let batch = LossBatch(
            rows: selection.map { LossRow(generation.rows[$0], scores[$0]) }, itemCount: generation.itemCount,
            window: window, stepsPerGeneration: steps, paddedLength: generation.paddedLength,
            entropyCoefficient: entropy.activeCoefficient(configuration))
        let evaluation = loss.evaluate(batch)
        entropy.add(evaluation)
        loop.state.metrics.append(evaluation.metrics)
        appendSamplingMetrics(generation, scores)
        for (row, scores) in scores { record.logProbs[row] = scores.logProbs }
        if let fault = NumericFault(evaluation, scores.values.map(\.logProbs)) {
            record.fault = fault
            return 0
        }
        if !packed.groups.isEmpty { try backward(evaluation, packed, Array(selection)) }
        return evaluation.loss
    }

    /// Whether the loss depends on a row at all. Without KL and entropy terms its gradient is a multiple of the advantage, so
    /// rows of groups whose rewards are all equal need no forward pass; their tokens still count in every denominator.
    private func needsScores(_ row: RolloutRow) -> Bool {
        if row.isMasked { return false }
        let usesEntropy =
            configuration.topEntropyQuantile < 1 || configuration.entropyCoef != 0 || configuration.useAdaptiveEntropy
        return row.advantage != 0 || configuration.beta != 0 || usesEntropy
    }

    private func backward(
        _ evaluation: LossEvaluation, _ packed: PackedRows, _ selection: [Int]
    ) throws(TrainingError) {
        let position = Dictionary(uniqueKeysWithValues: selection.enumerated().map { ($1, $0) })
        func inTreeOrder(_ gradients: [[Float]]) -> [[[Float]]] {
            packed.rows.map { $0.map { row in position[row].map { gradients[$0] } ?? [] } }
        }
        try onPolicy("compute gradients") {
            try policy.learner.backward(
                inTreeOrder(evaluation.logProbGradients),
                entropyGradients: evaluation.entropyGradients.map(inTreeOrder))
        }
    }

    /// How far the sampler's log-probabilities are from the trainer's, as long as the policy has not moved.
    private func appendSamplingMetrics(_ generation: GenerationBatch, _ scores: [Int: TokenScores]) {
        guard generation.sampledAtStep == loop.step else { return }
        var differences: [Double] = []
        for (row, scores) in scores {
            let sampled = generation.rows[row].completion.logProbs
            guard sampled.count == scores.logProbs.count else { continue }
            differences += zip(sampled, scores.logProbs).map { Double(abs($0 - $1)) }
        }
        guard let largest = differences.max() else { return }
        loop.state.metrics.append("sampling/sampling_logp_difference/mean", differences.mean)
        loop.state.metrics.append("sampling/sampling_logp_difference/max", largest)
    }

    /// Fills in the log-probabilities that stay fixed while a generation batch is trained on: those of the policy that sampled,
    /// when the policy may move in between, and those of the reference, when the KL term is on.
    func scoreFixedLogProbs(_ batch: inout GenerationBatch) throws(TrainingError) {
        let rows = batch.rows.indices.filter { needsScores(batch.rows[$0]) }
        if batchPlan.needsOldLogProbs {
            if policy.sampler.samplesExactLogProbs {
                for row in rows { batch.rows[row].oldLogProbs = batch.rows[row].completion.logProbs }
            } else {
                try score(rows, of: &batch, under: .current) { $0.oldLogProbs = $1 }
            }
        }
        if configuration.beta != 0 {
            try score(rows, of: &batch, under: .reference) { $0.referenceLogProbs = $1 }
        }
    }

    /// Scores rows in pieces of a few groups, which bounds memory and changes no value.
    private func score(
        _ rows: [Int], of batch: inout GenerationBatch, under scored: ScoringPolicy,
        _ assign: (inout RolloutRow, [Float]) -> Void
    ) throws(TrainingError) {
        let size = max(batchPlan.microBatchSize, batchPlan.groupSize)
        for start in stride(from: 0, to: rows.count, by: size) {
            let packed = PackedRows(rows[start..<min(start + size, rows.count)], of: batch)
            let scores = try onPolicy("compute log-probabilities") {
                try policy.learner.score(
                    packed.groups, temperature: Float(configuration.temperature), under: scored)
            }
            packed.forEach(scores) { row, scores in assign(&batch.rows[row], scores.logProbs) }
        }
    }

    /// Runs a piece of the learner's work; whatever it throws becomes one line.
    private func onPolicy<Result>(_ action: String, _ body: () throws -> Result) throws(TrainingError) -> Result {
        do {
            return try body()
        } catch {
            throw TrainingError.model(failedTo: action, step: loop.step + 1, error)
        }
    }
}

extension LossRow {
    /// A completion as the loss sees it, with its scores, if it has any.
    init(_ row: RolloutRow, _ scores: TokenScores?) {
        self.init(
            advantage: row.advantage, mask: row.completion.tokens.map { _ in !row.isMasked },
            logProbs: scores?.logProbs ?? [], oldLogProbs: row.oldLogProbs,
            referenceLogProbs: row.referenceLogProbs, entropies: scores?.entropies ?? [])
    }
}

// MARK: Checkpoints

extension GRPOStep {
    /// Adds what a continuation needs.
    func complete(_ snapshot: inout RunSnapshot) {
        snapshot.entropy = entropy
        snapshot.promptSelection = configuration.drawsBeyondBatch ? promptSelection : nil
        let isInUse = snapshot.counters.microStep % batchPlan.generateEvery != 0
        snapshot.generation = isInUse ? generation.map(GenerationSnapshot.init) : nil
    }

    /// Goes to where a checkpoint left the run.
    ///
    /// After a forced continuation the batches may be cut differently: the run goes on at the beginning of its next optimizer
    /// step under the new sizes, with completions of its own.
    func resume(_ point: ResumePoint, _ plan: TrainingPlan) {
        if let bonus = point.snapshot.entropy { entropy = bonus }
        generation = point.snapshot.generation?.batch
        promptSelection = point.snapshot.promptSelection ?? PromptSelection()
        guard point.isOfAnotherRun else { return }
        let (epoch, step) = loop.step.quotientAndRemainder(dividingBy: plan.stepsPerEpoch)
        let microStep = epoch * plan.microStepsPerEpoch + step * batchPlan.accumulationSteps
        loop.state.counters.microStep = microStep
        generation = nil
        promptSelection.position = microStep / batchPlan.generateEvery * batchPlan.promptsPerGeneration
    }
}
