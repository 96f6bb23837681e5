extension GRPOConfiguration {
    /// Checks every rule that does not depend on the model, the data or the rewards.
    /// - Throws: ``ConfigurationError`` naming the key, its value and the rule.
    public func validate() throws(ConfigurationError) {
        try validateBatches()
        try validateSampling()
        try validateLoss()
        try validateOptimizer()
        try validateOutput()
        try validateSeeds()
        try validateReports()
        try validateEvaluation()
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

    private func validateBatches() throws(ConfigurationError) {
        try require(.perDeviceTrainBatchSize, perDeviceTrainBatchSize, "must be at least 1") { $0 >= 1 }
        try require(.gradientAccumulationSteps, gradientAccumulationSteps, "must be at least 1") { $0 >= 1 }
        try require(.numGenerations, numGenerations, "must be at least 2: advantages compare a group") { $0 >= 2 }
        try require(.numIterations, numIterations, "must be at least 1") { $0 >= 1 }
        try require(.stepsPerGeneration, stepsPerGeneration ?? 1, "must be at least 1") { $0 >= 1 }
        try require(.generationBatchSize, generationBatchSize ?? 1, "must be at least 1") { $0 >= 1 }
    }

    private func validateSampling() throws(ConfigurationError) {
        try require(.maxCompletionLength, maxCompletionLength, "must be at least 1") { $0 >= 1 }
        try require(.maxPromptLength, maxPromptLength ?? 1, "must be at least 1, or null for no limit") { $0 >= 1 }
        try require(.temperature, temperature, "must be above 0: a group of equal samples teaches nothing") { $0 > 0 }
        try require(.topP, topP, "must be above 0 and at most 1") { $0 > 0 && $0 <= 1 }
        try require(.topK, topK, "must be at least 0 (0 is off)") { $0 >= 0 }
        try require(.minP, minP ?? 0, "must be from 0 to 1") { (0...1).contains($0) }
        try require(.repetitionPenalty, repetitionPenalty, "must be above 0") { $0 > 0 }
        try require(.maxNumGenBatches, maxNumGenBatches, "must be at least 1") { $0 >= 1 }
        try require(.memoryUtilization, memoryUtilization, "must be above 0 and at most 1") { $0 > 0 && $0 <= 1 }
    }

    private func validateLoss() throws(ConfigurationError) {
        try require(.epsilon, epsilon, "must be from 0 to 1") { (0...1).contains($0) }
        try require(.epsilonHigh, epsilonHigh ?? 0, "must be at least 0") { $0 >= 0 }
        try require(.delta, delta ?? 1, "must be above 0, or null for no bound") { $0 > 0 }
        try require(.beta, beta, "must be at least 0") { $0 >= 0 }
        try require(.topEntropyQuantile, topEntropyQuantile, "must be from 0 to 1") { (0...1).contains($0) }
        try require(.entropyCoef, entropyCoef, "must be a finite number") { _ in true }
        try require(.entropyCoefDelta, entropyCoefDelta, "must be at least 0") { $0 >= 0 }
        try require(.entropyTarget, entropyTarget, "must be at least 0") { $0 >= 0 }
        try require(.entropyCoefMax, entropyCoefMax, "must be at least entropy_coef_min") { $0 >= entropyCoefMin }
        try require(.sapoTemperatureNeg, sapoTemperatureNeg, "must be above 0") { $0 > 0 }
        try require(.sapoTemperaturePos, sapoTemperaturePos, "must be above 0") { $0 > 0 }
        try require(.rewardFailureLimit, rewardFailureLimit, "must be from 0 to 1") { (0...1).contains($0) }
        try require(.rewardFailureBatches, rewardFailureBatches, "must be at least 1") { $0 >= 1 }
        for weight in rewardWeights ?? [] {
            try require(.rewardWeights, weight, "must be a finite number") { _ in true }
        }
        guard !syncRefModel else {
            throw ConfigurationError(
                key: "sync_ref_model", value: "true",
                rule: "needs full fine-tuning: with LoRA the reference is the base model, set it to false")
        }
    }

    private func validateSeeds() throws(ConfigurationError) {
        try require(.seed, seed, "must be at least 0") { $0 >= 0 }
        try require(.dataSeed, dataSeed ?? 0, "must be at least 0") { $0 >= 0 }
    }

    private func validateReports() throws(ConfigurationError) {
        guard loggingDir != "" else {
            throw ConfigurationError(
                key: "logging_dir", value: "''", rule: "must be a path, or null for output_dir/runs")
        }
        try require(.numCompletionsToPrint, numCompletionsToPrint ?? 1, "must be at least 1, or null") { $0 >= 1 }
        try require(.stopAfterEqualRewards, stopAfterEqualRewards ?? 1, "must be at least 1, or null for never") {
            $0 >= 1
        }
    }

    private func validateEvaluation() throws(ConfigurationError) {
        try require(.evalSteps, evalSteps ?? 1, "must be above 0 (below 1 it is a share of all steps)") { $0 > 0 }
        try require(.evalDelay, evalDelay, "must be at least 0") { $0 >= 0 }
        try require(.perDeviceEvalBatchSize, perDeviceEvalBatchSize, "must be at least 1") { $0 >= 1 }
        try require(.numGenerationsEval, numGenerationsEval ?? 1, "must be at least 1") { $0 >= 1 }
        try require(.evalTemperature, evalTemperature ?? 1, "must be at least 0 (0 takes the likeliest token)") {
            $0 >= 0
        }
        if evalTemperature == 0 {
            try require(
                .numGenerationsEval, numGenerationsEval ?? 1,
                "must be 1 with eval_temperature 0: greedy answers to a prompt are all alike"
            ) { $0 == 1 }
        }
        try validateBestModel()
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
        if saveStrategy == .no { try refuse("needs checkpoints to choose from: set save_strategy to steps or epoch") }
        if saveOnlyModel { try refuse("needs whole checkpoints: set save_only_model to false") }
    }

    private func require(
        _ key: CodingKeys, _ value: Int, _ rule: String, _ holds: (Int) -> Bool
    ) throws(ConfigurationError) {
        try ApusTrain.require(key.rawValue, value, rule, holds)
    }

    private func require(
        _ key: CodingKeys, _ value: Double, _ rule: String, _ holds: (Double) -> Bool
    ) throws(ConfigurationError) {
        try ApusTrain.require(key.rawValue, value, rule, holds)
    }
}
