/// What TRL logs about the rewards of a generation batch.
enum RewardMetrics {
    /// Names and values in TRL's order; the key of each mean without `/mean`, which older versions log, goes before it.
    /// - Parameter table: `[row][function]`, NaN where a function did not apply.
    static func metrics(
        table: [[Double]], names: [String], advantages: Advantages
    ) -> [(name: String, value: Double)] {
        var result: [(name: String, value: Double)] = []
        for (index, name) in names.enumerated() {
            let values = table.map { $0[index] }
            result.append(("rewards/\(name)", values.mean))
            result.append(("rewards/\(name)/mean", values.mean))
            result.append(("rewards/\(name)/std", values.std))
        }
        result.append(("reward", advantages.rewards.mean))
        result.append(("reward_std", advantages.rewards.std))
        let constant = advantages.hasZeroSpread.count { $0 }
        result.append(("frac_reward_zero_std", Double(constant) / Double(advantages.hasZeroSpread.count)))
        return result
    }
}
