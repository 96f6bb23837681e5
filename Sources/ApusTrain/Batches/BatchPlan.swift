/// How a run cuts completions into micro-steps, optimizer steps and generations: derived from a configuration.
public struct BatchPlan: Sendable, Equatable {
    /// Completions in a micro-step.
    public var microBatchSize: Int
    /// Micro-steps in an optimizer step.
    public var accumulationSteps: Int
    /// Completions of a prompt.
    public var groupSize: Int
    /// Micro-steps that one generation batch is cut into.
    public var stepsPerGeneration: Int
    /// Completions in one generation batch.
    public var generationBatchSize: Int
    /// Prompts in one generation batch.
    public var promptsPerGeneration: Int { generationBatchSize / groupSize }
    /// Micro-steps from one generation to the next: every slice, once an iteration.
    public var generateEvery: Int
    /// Whether the policy may have moved since the completions were sampled, so that their log-probabilities must be kept.
    public var needsOldLogProbs: Bool { accumulationSteps % generateEvery != 0 }
    /// What was changed to make the sizes fit, in one line.
    public var notice: String?

    /// Derives the sizes. When the batch cannot be cut into whole groups and nothing fixes the generation batch, the
    /// micro-batch becomes one group, as Unsloth does with the tutorial's `1 × 4` for groups of 6.
    /// - Throws: ``ConfigurationError`` for sizes that hold no whole groups, or two sizes that exclude each other.
    public init(_ configuration: GRPOConfiguration) throws(ConfigurationError) {
        let group = configuration.numGenerations
        let accumulation = configuration.gradientAccumulationSteps
        var rows = configuration.perDeviceTrainBatchSize
        let isFixed = configuration.stepsPerGeneration != nil || configuration.generationBatchSize != nil
        if rows * accumulation % group != 0, !isFixed, !configuration.strictBatchSize {
            notice =
                "per_device_train_batch_size \(rows) x gradient_accumulation_steps \(accumulation) does not hold whole "
                + "groups of num_generations \(group): per_device_train_batch_size is now \(group) "
                + "(\(accumulation) prompts, \(accumulation * group) completions an optimizer step)"
            rows = group
        }
        microBatchSize = rows
        accumulationSteps = accumulation
        groupSize = group
        stepsPerGeneration = try Self.stepsPerGeneration(configuration, rows: rows)
        generationBatchSize = rows * stepsPerGeneration
        generateEvery = stepsPerGeneration * configuration.numIterations
        guard generationBatchSize % group == 0 else {
            throw ConfigurationError(
                key: "generation_batch_size", value: "\(generationBatchSize)",
                rule: "must be a multiple of num_generations (\(group))")
        }
    }

    private static func stepsPerGeneration(
        _ configuration: GRPOConfiguration, rows: Int
    ) throws(ConfigurationError) -> Int {
        switch (configuration.stepsPerGeneration, configuration.generationBatchSize) {
        case (nil, nil): return configuration.gradientAccumulationSteps
        case (let steps?, nil): return steps
        case (nil, let size?):
            guard size % rows == 0 else {
                throw ConfigurationError(
                    key: "generation_batch_size", value: "\(size)",
                    rule: "must be a multiple of per_device_train_batch_size (\(rows))")
            }
            return size / rows
        case (_?, let size?):
            throw ConfigurationError(
                key: "generation_batch_size", value: "\(size)",
                rule: "cannot be given together with steps_per_generation: leave one out")
        }
    }
}
