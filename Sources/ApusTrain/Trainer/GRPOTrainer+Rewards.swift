import ApusData

extension GRPOTrainer {
    /// The scores of all functions, and what else these told.
    /// - Parameter name: what messages call the moment.
    /// - Throws: ``TrainingError`` when one fails and the run is to stop then.
    nonisolated(nonsending) func evaluateRewards(
        _ context: RewardContext, at name: String
    ) async throws -> RewardTable {
        do {
            return try await RewardTable(rewards, on: context, failure: configuration.rewardFailure)
        } catch let error as RewardError {
            throw TrainingError(.reward, "\(name): \(error)")
        }
    }

    /// The figures that functions logged, in TRL's order.
    static func loggedMetrics(_ table: RewardTable) -> [(name: String, value: Double)] {
        table.metrics.sorted { $0.key < $1.key }.filter { !$0.value.isEmpty }.map { ($0.key, $0.value.mean) }
    }

    /// How many completions each function failed on, where the run goes on without them. A function that fails for
    /// the first time is told of.
    func failureMetrics(_ table: RewardTable, at name: String) -> [(name: String, value: Double)] {
        guard configuration.rewardFailure != .stop else { return [] }
        let consequence = configuration.rewardFailure == .zero ? "get 0" : "have no score"
        return table.names.enumerated().map { function, reward in
            let failures = table.failures.first { $0.function == function }
            if let failures, failingRewards.isNew(reward) {
                onEvent?(
                    .warning(
                        "\(name): \(failures.first); \(failures.count) of \(table.rows.count) completions \(consequence) "
                            + "from it, and rewards/\(reward)/failures counts on"))
            }
            return ("rewards/\(reward)/failures", Double(failures?.count ?? 0))
        }
    }

    /// Ends the run when a function has been broken for too long.
    /// - Throws: ``TrainingError``.
    func checkFailures(_ table: RewardTable) throws(TrainingError) {
        guard configuration.rewardFailure != .stop else { return }
        for (function, name) in table.names.enumerated() {
            let failures = table.failures.first { $0.function == function }
            let isBroken = Double(failures?.count ?? 0) > configuration.rewardFailureLimit * Double(table.rows.count)
            let streak = failingRewards.streak(of: name, isBroken: isBroken)
            if let failures, streak >= configuration.rewardFailureBatches {
                throw TrainingError(
                    .reward,
                    "step \(state.globalStep + 1): \(failures.first); it failed on more than reward_failure_limit "
                        + "\(configuration.rewardFailureLimit) of the completions \(streak) times in a row "
                        + "(reward_failure_batches)")
            }
        }
    }
}

/// Which reward functions fail, and for how long.
struct FailingRewards: Sendable {
    private var told: Set<String> = []
    private var streaks: [String: Int] = [:]

    /// Whether nobody was told yet; asking counts as telling.
    mutating func isNew(_ name: String) -> Bool { told.insert(name).inserted }

    /// Generations in a row, up to this one, in which the function was broken.
    mutating func streak(of name: String, isBroken: Bool) -> Int {
        let streak = isBroken ? streaks[name, default: 0] + 1 : 0
        streaks[name] = streak
        return streak
    }
}

extension RewardTable {
    /// `[row][function]`, NaN where a function has no score.
    var matrix: [[Double]] { rows.map { $0.map { $0 ?? .nan } } }
}
