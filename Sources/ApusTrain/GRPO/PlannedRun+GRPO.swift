public import ApusGeneration
public import ApusModel

extension PlannedRun {
    /// The sizes of a GRPO run.
    ///
    /// - Parameters:
    ///   - configuration: batches and lengths.
    ///   - promptTokens: tokens of the longest prompt, before `max_prompt_length` cuts it.
    ///   - threads: threads that will compute.
    /// - Throws: ``ConfigurationError`` for batches that hold no whole groups.
    public init(
        _ configuration: GRPOConfiguration, model: ModelConfiguration, precision: WeightPrecision,
        adapter: LoRAConfiguration?, promptTokens: Int, threads: Int
    ) throws(ConfigurationError) {
        self.init(model: model, precision: precision, adapter: adapter)
        let batch = try BatchPlan(configuration)
        prompts = batch.promptsPerGeneration
        groupSize = batch.groupSize
        completionsPerPass = batch.microBatchSize
        self.promptTokens = min(promptTokens, configuration.maxPromptLength ?? promptTokens)
        completionTokens = configuration.maxCompletionLength
        hasReference = configuration.beta != 0
        checkpointing = configuration.gradientCheckpointing
        self.threads = threads
    }
}
