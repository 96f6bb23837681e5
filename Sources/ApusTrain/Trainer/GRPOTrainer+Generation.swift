import ApusData
import ApusGeneration
import Foundation

extension GRPOTrainer {
    /// Samples completions of the next prompts, scores them, and computes all that the micro-steps on them share.
    nonisolated(nonsending) func generateAndScore() async throws -> GenerationBatch {
        let ordinal = state.generations
        let rollout = try await sampleRollout(of: plan.batch.promptsPerGeneration)
        observe(rollout)
        appendRolloutMetrics(rollout)
        state.metrics.append("time/rollout", currentStep.samplingSeconds)
        state.metrics.append("time/reward", currentStep.scoringSeconds)
        var batch = trainingBatch(rollout.selection(plan.batch.promptsPerGeneration))
        batch.order = rowOrder(batch.rows.count, ordinal)
        onEvent?(.phase(.train, step: state.globalStep + 1))
        try scoreFixedLogProbs(&batch)
        return batch
    }

    /// Samples and scores groups. With dynamic sampling (DAPO: Yu et al., 2025) as many further prompts as groups have equal
    /// rewards follow, up to `max_num_gen_batches` rounds.
    private nonisolated(nonsending) func sampleRollout(of wanted: Int) async throws -> Rollout {
        var rollout = Rollout()
        let roundLimit = configuration.dynamicSampling ? configuration.maxNumGenBatches : 1
        while rollout.usefulCount < wanted, rollout.rounds < roundLimit {
            let prompts = drawPrompts(wanted - rollout.usefulCount)
            let round = try await sampleRound(prompts, continuesBatch: rollout.rounds > 0)
            rollout.append(round, teaches: advantages(round).teachesInGroup)
        }
        return rollout
    }

    /// The next prompts, by their index in the data set.
    private func drawPrompts(_ count: Int) -> [Int] {
        if !configuration.drawsBeyondBatch {
            let generation = state.microStep / plan.batch.generateEvery
            promptSelection.position = generation * plan.batch.promptsPerGeneration
        }
        return promptSelection.draw(
            count, from: &promptStream, skippingBy: configuration.selectiveRollout ? configuration.seed : nil)
    }

    /// Samples and scores one completion group a prompt.
    private nonisolated(nonsending) func sampleRound(
        _ indices: [Int], continuesBatch: Bool
    ) async throws -> [Rollout.Group] {
        let step = state.globalStep + 1
        let start = clock.now
        let prompts = indices.map { promptTokens[$0] ?? [] }
        let completions = try sample(prompts, step: step, continuesBatch: continuesBatch)
        state.generations += 1
        let sampled = clock.now
        currentStep.samplingSeconds += (sampled - start) / .seconds(1)
        onEvent?(.phase(.reward, step: step))
        let context = rewardContext(indices, completions)
        let evaluated = try await evaluateRewards(context, at: "step \(step)")
        state.metrics.append(Self.loggedMetrics(evaluated) + failureMetrics(evaluated, at: "step \(step)"))
        try checkFailures(evaluated)
        currentStep.scoringSeconds += (clock.now - sampled) / .seconds(1)
        let table = evaluated.matrix
        let size = plan.batch.groupSize
        return indices.enumerated().map { group, sample in
            let rows = group * size..<(group + 1) * size
            return Rollout.Group(
                sample: sample, prompt: prompts[group], completions: completions[group],
                texts: Array(context.completions[rows]), scores: Array(table[rows]),
                extraColumns: evaluated.extraColumns.mapValues { Array($0[rows]) })
        }
    }

    private func sample(
        _ prompts: [[Int32]], step: Int, continuesBatch: Bool
    ) throws(TrainingError) -> [[Completion]] {
        onEvent?(.phase(.rollout, step: step))
        let size = plan.batch.groupSize
        var progress = PhaseProgress(
            .rollout, step: step, of: prompts.count * size * configuration.maxCompletionLength, onEvent)
        let completions = try onPolicy("sample completions") {
            try policy.generate(
                prompts, groupSize: size, step: state.generations, sampling: samplingParameters,
                continuesBatch: continuesBatch
            ) {
                progress.advance(by: 1)
            }
        }
        if !hasToldOfShortfall, let shortfall = policy.memoryShortfall {
            hasToldOfShortfall = true
            onEvent?(.notice(shortfall))
        }
        guard completions.count == prompts.count, completions.allSatisfy({ $0.count == size }) else {
            throw TrainingError(.policy, "the sampler did not return \(size) completions for each prompt")
        }
        return completions
    }

    var samplingParameters: SamplingParameters {
        SamplingParameters(
            temperature: Float(configuration.temperature), topK: configuration.topK, topP: Float(configuration.topP),
            minP: Float(configuration.minP ?? 0), repetitionPenalty: Float(configuration.repetitionPenalty),
            maxNewTokens: configuration.maxCompletionLength, seed: UInt64(configuration.seed))
    }

    private func rewardContext(_ indices: [Int], _ completions: [[Completion]]) -> RewardContext {
        let rows = completions.flatMap(\.self)
        return RewardContext(
            samples: zip(indices, completions).flatMap { index, group in group.map { _ in dataset.samples[index] } },
            completions: rows.map { tokenizer.text(of: $0.tokens) }, completionTokens: rows.map(\.tokens),
            globalStep: state.globalStep, maxSteps: plan.maxSteps, epoch: state.epoch)
    }

    /// The advantages of groups, and what else their rewards say.
    func advantages(_ groups: [Rollout.Group]) -> Advantages {
        Advantages(
            table: groups.table, weights: configuration.rewardWeights ?? rewards.map { _ in 1 },
            groupSize: plan.batch.groupSize, scaling: configuration.scaleRewards,
            aggregation: configuration.multiObjectiveAggregation)
    }

    /// The batch to train on, with its advantages.
    private func trainingBatch(_ groups: [Rollout.Group]) -> GenerationBatch {
        let advantages = advantages(groups)
        var batch = groups.batch(
            sampledAtStep: state.globalStep, masksTruncated: configuration.maskTruncatedCompletions)
        for row in batch.rows.indices { batch.rows[row].advantage = advantages.values[row] }
        report(batch, groups)
        warnAboutRewards(advantages)
        return batch
    }

    /// Tells the selection of prompts what their groups taught.
    private func observe(_ rollout: Rollout) {
        guard configuration.selectiveRollout else { return }
        let rewards = advantages(rollout.groups).rewards
        let size = plan.batch.groupSize
        promptSelection.observe(
            rollout.groups.indices.map { index in
                (
                    prompt: rollout.groups[index].sample, rewards: Array(rewards[index * size..<(index + 1) * size]),
                    teaches: rollout.teaches[index]
                )
            })
    }
}
