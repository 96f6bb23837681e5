public import ApusData

extension SFTConfiguration {
    /// The defaults with some settings laid over them, each in its own type.
    /// - Throws: ``ConfigurationError`` for an unknown key, a wrong type or a broken rule.
    public init(settings: [String: JSONValue]) throws(ConfigurationError) {
        try self.init(laying: settings)
        try validate()
    }

    /// Checks every rule that does not depend on the model or the data.
    /// - Throws: ``ConfigurationError`` naming the key, its value and the rule.
    public func validate() throws(ConfigurationError) {
        try validateBounds()
        try optimizer.validate()
        try output.validate()
        guard optimizer.lrSchedulerType != .reduceOnPlateau else {
            throw ConfigurationError(
                key: "lr_scheduler_type", value: "'reduce_lr_on_plateau'",
                rule: "follows evaluations, which a supervised run does not have: choose another")
        }
    }

    /// TRL takes true for the newest checkpoint.
    public static func normalized(_ value: JSONValue, of key: String) -> JSONValue {
        OutputSettings.normalized(value, of: key)
    }

    /// Every setting, in the order in which they are shown.
    public static let declarations: [SettingDeclaration<SFTConfiguration>] =
        own + OptimizerSettings.length.map { $0.within(\.optimizer) }
        + OptimizerSettings.adamW.map { $0.within(\.optimizer) } + OutputSettings.log.map { $0.within(\.output) }
        + OutputSettings.checkpoints.map { $0.within(\.output) }

    private static let own: [SettingDeclaration<SFTConfiguration>] = [
        .integer(
            "per_device_train_batch_size", \.perDeviceTrainBatchSize, .count(limit: 1 << 27),
            "sequences in a micro-step; with `packing`, packs of sequences"),
        .integer(
            "gradient_accumulation_steps", \.gradientAccumulationSteps, .count(limit: 1 << 14),
            "micro-steps in an optimizer step"),
        .optionalInteger(
            "max_length", \.maxLength, .count(from: 2, limit: 1 << 24, ": one token predicts the next"),
            "the longest sequence in tokens; longer ones lose their end; null is the model's context"
        ).also("max_seq_length"),
        .flag("packing", \.packing, "fill packs of up to `max_length` tokens with whole sequences"),
        .flag("shuffle_dataset", \.shuffleDataset, "draw the examples in random order, anew in each pass"),
        SettingDeclaration(
            "completion_only_loss", \.completionOnlyLoss, .flag,
            "learn the completion alone; null: for rows with prompt and completion"),
        .flag("assistant_only_loss", \.assistantOnlyLoss, "learn the assistant's turns of a conversation alone"),
        .integer("seed", \.seed, .seed, "seed of initial values and of the order"),
        .optionalInteger("data_seed", \.dataSeed, .seed, "seed of the order alone"),
        .number(
            "memory_utilization", \.memoryUtilization, .shareAboveZero(smallest: 1e-3),
            "share of the memory that this process may hold"
        ).from(.apus).onResume(.nothing),
        .gradientCheckpointing(\.gradientCheckpointing),
    ]
}
