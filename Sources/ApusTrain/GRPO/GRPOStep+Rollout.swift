import ApusData
import ApusGeneration

extension GRPOStep {
    /// Samples completions of the next prompts, scores them, and computes all that the micro-steps on them share.
    nonisolated(nonsending) func generateAndScore() async throws -> GenerationBatch {
        let ordinal = loop.state.counters.generations
        let rollout = try await sampleRollout(of: batchPlan.promptsPerGeneration)
        observe(rollout)
        appendMetrics(of: rollout)
        let groups = rollout.selection(batchPlan.promptsPerGeneration)
        let advantages = scorer.advantages(groups, groupSize: batchPlan.groupSize)
        var batch = scorer.batch(groups, advantages)
        let report = report(batch, groups)
        newestRollout = report
        loop.tell(.rollout(report))
        countEmptyGenerations(advantages)
        batch.order = rowOrder(batch.rows.count, ordinal)
        loop.tell(.phase(.train, step: loop.step + 1))
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
            rollout.append(round, teaches: scorer.advantages(round, groupSize: batchPlan.groupSize).teachesInGroup)
        }
        return rollout
    }

    /// The next prompts, by their index in the data set.
    private func drawPrompts(_ count: Int) -> [Int] {
        if !configuration.drawsBeyondBatch {
            let generation = loop.state.counters.microStep / batchPlan.generateEvery
            promptSelection.position = generation * batchPlan.promptsPerGeneration
        }
        return promptSelection.draw(
            count, from: &promptStream, skippingBy: configuration.selectiveRollout ? configuration.seed : nil)
    }

    /// Samples and scores one completion group a prompt.
    private nonisolated(nonsending) func sampleRound(
        _ indices: [Int], continuesBatch: Bool
    ) async throws -> [Rollout.Group] {
        let step = loop.step + 1
        let start = loop.clock.now
        let samples = indices.map { (index: $0, sample: dataset.samples[$0], prompt: promptTokens[$0] ?? []) }
        loop.tell(.phase(.rollout, step: step))
        var progress = PhaseProgress(
            .rollout, step: step, of: indices.count * batchPlan.groupSize * configuration.maxCompletionLength,
            loop.onEvent)
        let request = RolloutScorer.Request(
            groupSize: batchPlan.groupSize, ordinal: loop.state.counters.generations,
            sampling: scorer.samplingParameters, continuesBatch: continuesBatch)
        let completions = try await scorer.sample(samples.map(\.prompt), request, "sample completions") {
            progress.advance(by: 1)
        }
        loop.state.counters.generations += 1
        let sampled = loop.clock.now
        record.samplingSeconds += (sampled - start) / .seconds(1)
        loop.tell(.phase(.reward, step: step))
        let scored = try await scorer.score(samples, completions, at: "step \(step)")
        loop.state.metrics.append(scored.logged + scored.failures)
        try scorer.checkFailures(scored.table)
        record.scoringSeconds += (loop.clock.now - sampled) / .seconds(1)
        return scored.groups
    }

    /// Tells the selection of prompts what their groups taught.
    private func observe(_ rollout: Rollout) {
        guard configuration.selectiveRollout else { return }
        let size = batchPlan.groupSize
        let rewards = scorer.advantages(rollout.groups, groupSize: size).rewards
        promptSelection.observe(
            rollout.groups.indices.map { index in
                (
                    prompt: rollout.groups[index].sample, rewards: Array(rewards[index * size..<(index + 1) * size]),
                    teaches: rollout.teaches[index]
                )
            })
    }

    /// Logs lengths and rewards of everything that was sampled, whether it is trained on or not: what was chosen for its spread
    /// says little about the policy.
    private func appendMetrics(of rollout: Rollout) {
        let groups = rollout.groups
        let tokens = groups.reduce(0) { sum, group in
            sum + group.completions.reduce(0) { $0 + group.prompt.count + $1.tokens.count }
        }
        loop.state.counters.tokensSeen += tokens
        loop.state.metrics.set("num_tokens", Double(loop.state.counters.tokensSeen))
        loop.state.metrics.append(
            scorer.metrics(groups, scorer.advantages(groups, groupSize: batchPlan.groupSize)))
        appendSelectionMetrics(rollout)
        loop.state.metrics.append("time/rollout", record.samplingSeconds)
        loop.state.metrics.append("time/reward", record.scoringSeconds)
    }

    private func appendSelectionMetrics(_ rollout: Rollout) {
        if configuration.dynamicSampling {
            loop.state.metrics.append("dynamic_sampling/prompts_drawn", Double(rollout.groups.count))
            loop.state.metrics.append("dynamic_sampling/groups_kept", Double(rollout.usefulCount))
            loop.state.metrics.append("dynamic_sampling/num_gen_batches", Double(rollout.rounds))
        }
        if configuration.selectiveRollout {
            loop.state.metrics.set("selective_rollout/prompts_skipped", Double(promptSelection.skipped))
            loop.state.metrics.set("selective_rollout/p_easy", promptSelection.easy.probability)
            loop.state.metrics.set("selective_rollout/p_hard", promptSelection.hard.probability)
        }
    }

    /// The completions that are trained on, for display and logs.
    private func report(_ batch: GenerationBatch, _ groups: [Rollout.Group]) -> RolloutReport {
        var columns: [String: [JSONValue]] = [:]
        for group in groups { columns.merge(group.extraColumns) { $0 + $1 } }
        return RolloutReport(
            step: loop.step + 1, prompts: batch.rows.map { dataset.samples[groups[$0.group].sample].prompt },
            completions: groups.flatMap(\.texts), rewardNames: scorer.rewards.map(\.name),
            rewards: batch.rows.map(\.rewards), advantages: batch.rows.map(\.advantage),
            isTruncated: batch.rows.map(\.completion.isTruncated), extraColumns: columns)
    }

    /// Says what no function scored, and counts generations that teach nothing.
    private func countEmptyGenerations(_ advantages: Advantages) {
        let unscored = advantages.rewards.count { $0.isNaN }
        if unscored > 0 {
            loop.tell(.warning("no reward function scored \(unscored) completions: they are left out of this step"))
        }
        let isEmpty = advantages.values.allSatisfy { $0 == 0 }
        loop.state.counters.emptyGenerationsInRow = isEmpty ? loop.state.counters.emptyGenerationsInRow + 1 : 0
    }

    /// Ends a run that has had no signal for as long as `stop_after_equal_rewards` allows.
    func checkProgress() throws(TrainingError) {
        let inRow = loop.state.counters.emptyGenerationsInRow
        guard let limit = configuration.stopAfterEqualRewards, inRow >= limit else { return }
        throw TrainingError(
            .equalRewards,
            "in \(inRow) generations in a row every group's rewards were equal: nothing is learned, "
                + "and stop_after_equal_rewards is \(limit); use prompts of another difficulty, raise temperature or "
                + "num_generations, or grade more finely")
    }
}
