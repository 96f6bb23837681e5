import ApusData
import ApusGeneration

/// What is told and logged of a generation batch.
extension GRPOTrainer {
    /// Logs lengths and rewards of everything that was sampled, whether it is trained on or not: what was chosen for its spread
    /// says little about the policy.
    func appendRolloutMetrics(_ rollout: Rollout) {
        let groups = rollout.groups
        state.tokensSeen += groups.reduce(0) { sum, group in
            sum + group.completions.reduce(0) { $0 + group.prompt.count + $1.tokens.count }
        }
        state.metrics.set("num_tokens", Double(state.tokensSeen))
        let all = groups.batch(
            sampledAtStep: state.globalStep, masksTruncated: configuration.maskTruncatedCompletions)
        state.metrics.append(Self.lengthMetrics(all.rows))
        state.metrics.append(
            RewardMetrics.metrics(table: groups.table, names: rewards.map(\.name), advantages: advantages(groups)))
        appendSelectionMetrics(rollout)
    }

    private func appendSelectionMetrics(_ rollout: Rollout) {
        if configuration.dynamicSampling {
            state.metrics.append("dynamic_sampling/prompts_drawn", Double(rollout.groups.count))
            state.metrics.append("dynamic_sampling/groups_kept", Double(rollout.usefulCount))
            state.metrics.append("dynamic_sampling/num_gen_batches", Double(rollout.rounds))
        }
        if configuration.selectiveRollout {
            state.metrics.set("selective_rollout/prompts_skipped", Double(promptSelection.skipped))
            state.metrics.set("selective_rollout/p_easy", promptSelection.easy.probability)
            state.metrics.set("selective_rollout/p_hard", promptSelection.hard.probability)
        }
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

    /// Tells of the completions that are trained on.
    func report(_ batch: GenerationBatch, _ groups: [Rollout.Group]) {
        var columns: [String: [JSONValue]] = [:]
        for group in groups { columns.merge(group.extraColumns) { $0 + $1 } }
        let report = RolloutReport(
            step: state.globalStep + 1, prompts: batch.rows.map { dataset.samples[groups[$0.group].sample].prompt },
            completions: groups.flatMap(\.texts), rewardNames: rewards.map(\.name), rewards: batch.rows.map(\.rewards),
            advantages: batch.rows.map(\.advantage), isTruncated: batch.rows.map(\.completion.isTruncated),
            extraColumns: columns)
        reports?.rollout = report
        onEvent?(.rollout(report))
    }

    /// Says what no function scored, and counts generations that teach nothing.
    func warnAboutRewards(_ advantages: Advantages) {
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
