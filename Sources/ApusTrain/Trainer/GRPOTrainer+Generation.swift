import ApusData
import ApusGeneration

extension GRPOTrainer {
    /// Samples completions of some prompts, scores them, and computes all that the micro-steps on them share.
    nonisolated(nonsending) func generateAndScore(prompts indices: [Int]) async throws -> GenerationBatch {
        let step = state.globalStep + 1
        let start = clock.now
        let samples = indices.map { dataset.samples[$0] }
        var batch = try sample(indices.map { promptTokens[$0] ?? [] }, step: step)
        let sampled = clock.now
        onEvent?(.phase(.reward, step: step))
        let context = rewardContext(batch, samples)
        let evaluated = try await evaluateRewards(context, at: "step \(step)")
        state.metrics.append(Self.loggedMetrics(evaluated) + failureMetrics(evaluated, at: "step \(step)"))
        try checkFailures(evaluated)
        let table = evaluated.matrix
        let advantages = Advantages(
            table: table, weights: configuration.rewardWeights ?? rewards.map { _ in 1 },
            groupSize: plan.batch.groupSize, scaling: configuration.scaleRewards,
            aggregation: configuration.multiObjectiveAggregation)
        for row in batch.rows.indices {
            batch.rows[row].advantage = advantages.values[row]
            batch.rows[row].rewards = table[row].map { $0.isNaN ? nil : $0 }
        }
        appendRolloutMetrics(batch)
        state.metrics.append(
            RewardMetrics.metrics(table: table, names: rewards.map(\.name), advantages: advantages))
        state.metrics.append("time/rollout", (sampled - start) / .seconds(1))
        state.metrics.append("time/reward", (clock.now - sampled) / .seconds(1))
        report(batch, context, table, evaluated.extraColumns)
        warnAboutRewards(advantages)
        batch.order = rowOrder(batch.rows.count, state.generations)
        state.generations += 1
        onEvent?(.phase(.train, step: step))
        try scoreFixedLogProbs(&batch)
        return batch
    }

    private func sample(_ prompts: [[Int32]], step: Int) throws(TrainingError) -> GenerationBatch {
        onEvent?(.phase(.rollout, step: step))
        let size = plan.batch.groupSize
        var progress = PhaseProgress(
            .rollout, step: step, of: prompts.count * size * configuration.maxCompletionLength, onEvent)
        let completions = try onPolicy("sample completions") {
            try policy.generate(
                prompts, groupSize: size, step: state.generations, sampling: samplingParameters
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
        let rows = completions.enumerated().flatMap { group, completions in
            completions.map { completion in
                let isMasked = configuration.maskTruncatedCompletions && completion.isTruncated
                return RolloutRow(group: group, completion: completion, isMasked: isMasked)
            }
        }
        return GenerationBatch(prompts: prompts, rows: rows, sampledAtStep: state.globalStep)
    }

    var samplingParameters: SamplingParameters {
        SamplingParameters(
            temperature: Float(configuration.temperature), topK: configuration.topK, topP: Float(configuration.topP),
            minP: Float(configuration.minP ?? 0), repetitionPenalty: Float(configuration.repetitionPenalty),
            maxNewTokens: configuration.maxCompletionLength, seed: UInt64(configuration.seed))
    }

    private func rewardContext(_ batch: GenerationBatch, _ samples: [Sample]) -> RewardContext {
        RewardContext(
            samples: batch.rows.map { samples[$0.group] },
            completions: batch.rows.map { tokenizer.text(of: $0.completion.tokens) },
            completionTokens: batch.rows.map(\.completion.tokens), globalStep: state.globalStep,
            maxSteps: plan.maxSteps, epoch: state.epoch)
    }

    private func appendRolloutMetrics(_ batch: GenerationBatch) {
        state.tokensSeen += batch.rows.reduce(0) { $0 + batch.prompts[$1.group].count + $1.completion.tokens.count }
        state.metrics.set("num_tokens", Double(state.tokensSeen))
        state.metrics.append(Self.lengthMetrics(batch.rows))
    }

    /// What TRL logs about the lengths of completions.
    static func lengthMetrics(_ rows: [RolloutRow]) -> [(name: String, value: Double)] {
        let lengths = rows.map { Double($0.completion.tokens.count) }
        let terminated = rows.filter { !$0.completion.isTruncated }.map { Double($0.completion.tokens.count) }
        return [
            ("completions/mean_length", lengths.mean),
            ("completions/min_length", lengths.min() ?? 0),
            ("completions/max_length", lengths.max() ?? 0),
            ("completions/clipped_ratio", 1 - Double(terminated.count) / Double(lengths.count)),
            ("completions/mean_terminated_length", terminated.isEmpty ? 0 : terminated.mean),
            ("completions/min_terminated_length", terminated.min() ?? 0),
            ("completions/max_terminated_length", terminated.max() ?? 0),
            // What TRL called the mean length up to 0.16, and Unsloth still does.
            ("completion_length", lengths.mean),
        ]
    }

    private func report(
        _ batch: GenerationBatch, _ context: RewardContext, _ table: [[Double]], _ extra: [String: [JSONValue]]
    ) {
        let report = RolloutReport(
            step: state.globalStep + 1, prompts: context.prompts, completions: context.completions,
            rewardNames: rewards.map(\.name), rewards: table.map { $0.map { $0.isNaN ? nil : $0 } },
            advantages: batch.rows.map(\.advantage), isTruncated: batch.rows.map(\.completion.isTruncated),
            extraColumns: extra)
        reports?.rollout = report
        onEvent?(.rollout(report))
    }

    private func warnAboutRewards(_ advantages: Advantages) {
        let unscored = advantages.rewards.count { $0.isNaN }
        if unscored > 0 {
            onEvent?(.warning("no reward function scored \(unscored) completions: they are left out of this step"))
        }
        state.emptyGenerationsInRow =
            advantages.values.allSatisfy { $0 == 0 } ? state.emptyGenerationsInRow + 1 : 0
    }

    /// Ends a run that has had no signal for as long as `stop_after_equal_rewards` allows, after saving.
    func stopIfNothingIsLearned() throws(TrainingError) {
        guard let limit = configuration.stopAfterEqualRewards, state.emptyGenerationsInRow >= limit else { return }
        stopSignal.request()
        try saveIfNeeded(isEpochEnd: false)
        throw TrainingError(
            .equalRewards,
            "in \(state.emptyGenerationsInRow) generations in a row every group's rewards were equal: nothing is learned, "
                + "and stop_after_equal_rewards is \(limit); use prompts of another difficulty, raise temperature or "
                + "num_generations, or grade more finely")
    }
}
