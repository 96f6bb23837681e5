import ApusData

/// A reward that something outside of this process computes. It tells more than scores, and may fail on some completions.
protocol OutsideReward: RewardFunction {}

extension OutsideReward {
    /// The scores alone: then one completion without a score is a failure of the call.
    ///
    /// - Throws: ``RewardError/failed(function:sample:reason:)``, and what `evaluate` throws.
    func scores(_ context: RewardContext) async throws -> [Double?] {
        let evaluation = try await evaluate(context)
        if let failure = evaluation.failures.first {
            throw RewardError.failed(function: name, sample: failure.sample, reason: failure.reason)
        }
        return evaluation.scores
    }
}
