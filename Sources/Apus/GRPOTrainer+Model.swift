public import ApusData
public import ApusModel
public import ApusTrain

extension GRPOTrainer {
    /// A trainer of a model's adapter, with the model's own tokenizer and the configuration's share of memory.
    ///
    /// - Parameters:
    ///   - model: the frozen base model.
    ///   - adapter: what is trained; it holds the result.
    ///   - reference: a frozen adapter, which with the model is the reference policy where `beta` is above 0; nil for the model
    ///     alone. To go on from an adapter, load it twice.
    ///   - dataset: the prompts, with the columns that rewards ask for.
    ///   - evaluationDataset: what the model is measured on, where `evalStrategy` asks for it.
    ///   - rewards: at least one; their weights are in the configuration.
    ///   - configuration: everything else.
    ///   - stopSignal: to be told from elsewhere, such as a signal handler, to stop after the step and save.
    /// - Throws: `ConfigurationError` or `TrainingError` for what can be seen to be wrong before the first step.
    public convenience init(
        model: LanguageModel, adapter: LoRAAdapter, reference: LoRAAdapter? = nil, dataset: Dataset,
        evaluationDataset: Dataset? = nil, rewards: [any RewardFunction], configuration: GRPOConfiguration,
        stopSignal: StopSignal = StopSignal()
    ) throws {
        try self.init(
            configuration: configuration,
            policy: Policy(model: model, adapter: adapter, reference: reference, configuration: configuration),
            tokenizer: model.tokenizer, dataset: dataset, evaluationDataset: evaluationDataset, rewards: rewards,
            stopSignal: stopSignal)
    }
}
