public import ApusModel

/// A model as the policy of a run: where its completions come from, and what learns from them.
public struct Policy {
    /// Samples completions.
    public var sampler: any Sampler
    /// Scores them and moves the parameters.
    public var learner: any Learner

    /// A policy of two parts, which may be one.
    public init(sampler: any Sampler, learner: any Learner) {
        self.sampler = sampler
        self.learner = learner
    }

    /// A model with a LoRA adapter: sampler, scorer and optimizer share one copy of the weights and one store of pages.
    /// - Parameters:
    ///   - reference: the frozen adapter of the reference policy; nil where that is the base model alone.
    ///   - samplesExactLogProbs: use the sampler's log-probabilities; false computes the same numbers again where the policy
    ///     may move before they are used.
    ///   - keepsRollouts: train on the rows that the sampler computed, as long as the policy has not moved; false computes
    ///     the same rows again.
    ///   - checkpointing: what a backward pass starts from.
    ///   - memory: what keys, values and kept rows may take.
    public init(
        model: LanguageModel, adapter: LoRAAdapter, reference: LoRAAdapter? = nil, samplesExactLogProbs: Bool = true,
        keepsRollouts: Bool = true, checkpointing: GradientCheckpointing = .recompute,
        memory: MemoryBudget = MemoryBudget()
    ) {
        let pages = PageStore(model: model, contents: .training(checkpointing), budget: memory)
        self.init(
            sampler: EngineSampler(
                model: model, adapter: adapter, samplesExactLogProbs: samplesExactLogProbs,
                keepsRollouts: keepsRollouts, pages: pages),
            learner: ModelLearner(adapter, of: model, reference: reference, pages: pages))
    }

    /// A small model with all its weights: they are sampled from as they are trained. The rows of a generation are computed
    /// again for training, since every step moves all weights.
    ///
    /// - Parameters:
    ///   - checkpointing: what a backward pass starts from.
    ///   - memory: what keys, values and rows may take.
    public init(
        _ parameters: FullParameters, checkpointing: GradientCheckpointing = .recompute,
        memory: MemoryBudget = MemoryBudget()
    ) {
        let pages = PageStore(model: parameters.model, contents: .training(checkpointing), budget: memory)
        self.init(
            sampler: EngineSampler(
                model: parameters.model, adapter: nil, samplesExactLogProbs: true, keepsRollouts: false, pages: pages),
            learner: ModelLearner(parameters, pages: pages))
    }

    /// The same with what a configuration says of memory and of what is kept in it.
    public init(
        model: LanguageModel, adapter: LoRAAdapter, reference: LoRAAdapter? = nil, configuration: GRPOConfiguration
    ) {
        self.init(
            model: model, adapter: adapter, reference: reference,
            checkpointing: configuration.gradientCheckpointing,
            memory: MemoryBudget(utilization: configuration.memoryUtilization))
    }
}
