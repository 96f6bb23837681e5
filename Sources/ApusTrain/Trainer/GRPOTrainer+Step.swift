import ApusGeneration
import ApusModel

extension GRPOTrainer {
    /// One optimizer step: the micro-steps of its window, clipping, AdamW, the schedule.
    nonisolated(nonsending) func optimizerStep(_ window: Range<Int>) async throws {
        let start = clock.now
        let tokensBefore = state.tokensSeen
        currentStep = StepRecord()
        var loss = 0.0
        policy.zeroGradients()
        var progress = PhaseProgress(
            .train, step: state.globalStep + 1, of: window.count * plan.batch.microBatchSize, onEvent)
        for _ in window {
            let batch = try await currentBatch()
            loss += try trainingMicroStep(batch, window: window.count)
            state.microStep += 1
            progress.advance(by: plan.batch.microBatchSize)
        }
        let fault = state.applyGradients(
            of: policy, configuration, schedule, metric: bestModel?.metric, fault: currentStep.fault)
        if let fault { try skipStep(fault) }
        entropy.endWindow(configuration, isApplied: fault == nil)
        if configuration.useAdaptiveEntropy { state.metrics.append("entropy_coef", entropy.coefficient) }
        state.countStep(loss: loss)
        state.metrics.append("time/train", currentStep.trainingSeconds)
        let seconds = (clock.now - start) / .seconds(1)
        state.metrics.append("step_time", seconds)
        if state.tokensSeen > tokensBefore {
            state.metrics.append("tokens_per_second", Double(state.tokensSeen - tokensBefore) / seconds)
        }
        if let resident = ProcessMemory.resident {
            state.metrics.set("memory/resident_mib", Double(resident) / 1_048_576)
        }
    }

    /// The generation batch that the next micro-step takes a slice of: a new one when its turn has come.
    private nonisolated(nonsending) func currentBatch() async throws -> GenerationBatch {
        // Without a batch in the middle of one, a forced continuation began there with other sizes.
        if let generation, state.microStep % plan.batch.generateEvery != 0 { return generation }
        let batch = try await generateAndScore()
        generation = batch
        currentStep.logProbs = [:]
        return batch
    }

    /// The loss of one slice of the generation batch and its gradients. What is not finite counts as 0, and the step is
    /// skipped.
    private func trainingMicroStep(_ generation: GenerationBatch, window: Int) throws(TrainingError) -> Double {
        let start = clock.now
        defer { currentStep.trainingSeconds += (clock.now - start) / .seconds(1) }
        let steps = plan.batch.stepsPerGeneration
        let selection = generation.slice(state.microStep % steps, of: steps)
        let packed = PackedRows(selection.filter { needsScores(generation.rows[$0]) }, of: generation)
        var scores: [Int: TokenScores] = [:]
        if !packed.groups.isEmpty {
            let result = try onPolicy("compute log-probabilities") {
                try policy.forward(packed.groups, temperature: Float(configuration.temperature))
            }
            packed.forEach(result) { scores[$0] = $1 }
        }
        let batch = LossBatch(
            rows: selection.map { lossRow(generation.rows[$0], scores[$0]) }, itemCount: generation.itemCount,
            window: window, stepsPerGeneration: steps, paddedLength: generation.paddedLength,
            entropyCoefficient: entropy.activeCoefficient(configuration))
        let evaluation = loss.evaluate(batch)
        entropy.add(evaluation)
        state.metrics.append(evaluation.metrics)
        appendSamplingMetrics(generation, scores)
        for (row, scores) in scores { currentStep.logProbs[row] = scores.logProbs }
        if let fault = NumericFault(evaluation, scores.values.map(\.logProbs)) {
            currentStep.fault = fault
            return 0
        }
        if !packed.groups.isEmpty { try backward(evaluation, packed, Array(selection)) }
        return evaluation.loss
    }

    /// Whether the loss depends on a row at all. Without KL and entropy terms its gradient is a multiple of the advantage, so
    /// rows of groups whose rewards are all equal need no forward pass; their tokens still count in every denominator.
    func needsScores(_ row: RolloutRow) -> Bool {
        if row.isMasked { return false }
        let usesEntropy =
            configuration.topEntropyQuantile < 1 || configuration.entropyCoef != 0 || configuration.useAdaptiveEntropy
        return row.advantage != 0 || configuration.beta != 0 || usesEntropy
    }

    func lossRow(_ row: RolloutRow, _ scores: TokenScores?) -> LossRow {
        LossRow(
            advantage: row.advantage, mask: row.completion.tokens.map { _ in !row.isMasked },
            logProbs: scores?.logProbs ?? [], oldLogProbs: row.oldLogProbs,
            referenceLogProbs: row.referenceLogProbs, entropies: scores?.entropies ?? [])
    }

    private func backward(
        _ evaluation: LossEvaluation, _ packed: PackedRows, _ selection: [Int]
    ) throws(TrainingError) {
        let position = Dictionary(uniqueKeysWithValues: selection.enumerated().map { ($1, $0) })
        func inTreeOrder(_ gradients: [[Float]]) -> [[[Float]]] {
            packed.rows.map { $0.map { row in position[row].map { gradients[$0] } ?? [] } }
        }
        try onPolicy("compute gradients") {
            try policy.backward(
                inTreeOrder(evaluation.logProbGradients),
                entropyGradients: evaluation.entropyGradients.map(inTreeOrder))
        }
    }

    /// How far the sampler's log-probabilities are from the trainer's, as long as the policy has not moved.
    private func appendSamplingMetrics(_ generation: GenerationBatch, _ scores: [Int: TokenScores]) {
        guard generation.sampledAtStep == state.globalStep else { return }
        var differences: [Double] = []
        for (row, scores) in scores {
            let sampled = generation.rows[row].completion.logProbs
            guard sampled.count == scores.logProbs.count else { continue }
            differences += zip(sampled, scores.logProbs).map { Double(abs($0 - $1)) }
        }
        guard let largest = differences.max() else { return }
        state.metrics.append("sampling/sampling_logp_difference/mean", differences.mean)
        state.metrics.append("sampling/sampling_logp_difference/max", largest)
    }
}
