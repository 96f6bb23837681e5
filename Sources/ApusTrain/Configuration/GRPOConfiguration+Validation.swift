extension GRPOConfiguration {
    /// Checks every rule that does not depend on the model, the data or the rewards.
    /// - Throws: ``ConfigurationError`` naming the key, its value and the rule.
    public func validate() throws(ConfigurationError) {
        try validateBounds()
        try optimizer.validate()
        try output.validate()
        try validateLoss()
        try validateEvaluation()
        guard loggingDir != "" else {
            throw ConfigurationError(
                key: "logging_dir", value: "''", rule: "must be a path, or null for output_dir/runs")
        }
        _ = try BatchPlan(self)
        _ = try EvaluationPlan(self)
    }

    /// Checks the rules that involve the reward functions.
    func validate(rewardNames names: [String]) throws(ConfigurationError) {
        guard !names.isEmpty else {
            throw ConfigurationError(key: "rewards", value: "none given,", rule: "at least one reward is needed")
        }
        if let repeated = names.first(where: { name in names.count { $0 == name } > 1 }) {
            throw ConfigurationError(key: "rewards", value: "'\(repeated)'", rule: "is given more than once")
        }
        if let rewardWeights, rewardWeights.count != names.count {
            throw ConfigurationError(
                key: "reward_weights", value: "\(rewardWeights.count) weights",
                rule: "for \(names.count) reward functions: give one a function")
        }
    }

    private func validateLoss() throws(ConfigurationError) {
        guard entropyCoefMax >= entropyCoefMin else {
            throw ConfigurationError(
                key: "entropy_coef_max", value: "\(entropyCoefMax)", rule: "must be at least entropy_coef_min")
        }
        guard !syncRefModel else {
            throw ConfigurationError(
                key: "sync_ref_model", value: "true",
                rule: "needs full fine-tuning: with LoRA the reference is the base model, set it to false")
        }
    }

    private func validateEvaluation() throws(ConfigurationError) {
        if let temperature = evalTemperature, temperature > 0, temperature < 1e-3 {
            throw ConfigurationError(
                key: "eval_temperature", value: "\(temperature)", rule: "must be 0, or at least 0.001")
        }
        if evalTemperature == 0, let count = numGenerationsEval, count != 1 {
            throw ConfigurationError(
                key: "num_generations_eval", value: "\(count)",
                rule: "must be 1 with eval_temperature 0: greedy answers to a prompt are all alike")
        }
        try validateBestModel()
        guard optimizer.lrSchedulerType != .reduceOnPlateau || evalStrategy != .no else {
            throw ConfigurationError(
                key: "lr_scheduler_type", value: "'reduce_lr_on_plateau'",
                rule: "follows evaluations: set eval_strategy to steps or epoch")
        }
    }

    private func validateBestModel() throws(ConfigurationError) {
        guard metricForBestModel != "" else {
            throw ConfigurationError(
                key: "metric_for_best_model", value: "''", rule: "must be the name of a metric, or null for the reward")
        }
        guard loadBestModelAtEnd else { return }
        func refuse(_ rule: String) throws(ConfigurationError) {
            throw ConfigurationError(key: "load_best_model_at_end", value: "true", rule: rule)
        }
        if evalStrategy == .no { try refuse("needs evaluations to choose by: set eval_strategy to steps or epoch") }
        if output.saveStrategy == .no {
            try refuse("needs checkpoints to choose from: set save_strategy to steps or epoch")
        }
        if output.saveOnlyModel { try refuse("needs whole checkpoints: set save_only_model to false") }
    }
}
