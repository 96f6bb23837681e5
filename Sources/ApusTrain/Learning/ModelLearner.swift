public import ApusData
public import ApusModel

/// Training of a language model on this machine: an adapter beside its frozen weights, or all of a small model's weights (20
/// bytes a parameter, and what a batch's rows take).
public final class ModelLearner: Learner {
    /// The model, whose weights are frozen unless they are what is trained.
    public let model: LanguageModel
    /// What is trained.
    public let parameters: any TrainedParameters
    private let trained: Trained
    private let reference: LoRAAdapter?
    /// Visible to tests, which count its passes.
    let pass: TrainingPass

    /// A learner of an adapter.
    /// - Parameters:
    ///   - reference: the frozen adapter of the reference policy; nil where that is the base model alone.
    ///   - checkpointing: what a backward pass starts from.
    ///   - memory: what keys, values and kept rows may take.
    public convenience init(
        _ adapter: LoRAAdapter, of model: LanguageModel, reference: LoRAAdapter? = nil,
        checkpointing: GradientCheckpointing = .recompute, memory: MemoryBudget = MemoryBudget()
    ) {
        self.init(
            adapter, of: model, reference: reference,
            pages: PageStore(model: model, contents: .training(checkpointing), budget: memory))
    }

    /// A learner of all weights.
    ///
    /// - Parameters:
    ///   - checkpointing: what a backward pass starts from.
    ///   - memory: what keys, values and kept rows may take.
    public convenience init(
        _ parameters: FullParameters, checkpointing: GradientCheckpointing = .recompute,
        memory: MemoryBudget = MemoryBudget()
    ) {
        self.init(
            parameters, pages: PageStore(model: parameters.model, contents: .training(checkpointing), budget: memory))
    }

    /// A learner of all weights over pages that a sampler may share.
    convenience init(_ parameters: FullParameters, pages: PageStore) {
        self.init(.full(parameters), parameters, of: parameters.model, reference: nil, pages: pages)
    }

    /// A learner of an adapter over pages that a sampler may share.
    convenience init(_ adapter: LoRAAdapter, of model: LanguageModel, reference: LoRAAdapter?, pages: PageStore) {
        self.init(.adapter(adapter), adapter, of: model, reference: reference, pages: pages)
    }

    private init(
        _ trained: Trained, _ parameters: any TrainedParameters, of model: LanguageModel, reference: LoRAAdapter?,
        pages: PageStore
    ) {
        self.model = model
        self.trained = trained
        self.parameters = parameters
        self.reference = reference
        pass = TrainingPass(model: model, trained: trained, reference: reference, pages: pages)
    }

    /// The longest sequence that the model was made for.
    public var contextLength: Int? { model.configuration.contextLength }

    /// The model's.
    public var vocabularySize: Int? { model.configuration.vocabularySize }

    /// The hash of the model that the run began from (absent when its files are gone), and what of it is trained.
    public var identity: [String: JSONValue] { RunIdentity.entries(of: trained, in: model, reference: reference) }

    /// Scores completions.
    /// - Throws: what `TrainingPass.score` throws.
    public func score(
        _ groups: [TokenGroup], temperature: Float, under policy: ScoringPolicy
    ) throws -> [[TokenScores]] {
        try pass.score(groups, temperature: temperature, under: policy)
    }

    /// Scores completions and keeps what a backward pass needs.
    /// - Throws: what `TrainingPass.forward` throws.
    public func forward(_ groups: [TokenGroup], temperature: Float) throws -> [[TokenScores]] {
        try pass.forward(groups, temperature: temperature)
    }

    /// Whether tokens are the likeliest.
    /// - Throws: what `TrainingPass.areLikeliest` throws.
    public func areLikeliest(_ isAsked: [[[Bool]]]) throws -> [[[Bool]]] { try pass.areLikeliest(isAsked) }

    /// Adds to the gradients.
    /// - Throws: what `TrainingPass.backward` throws.
    public func backward(_ logProbGradients: [[[Float]]], entropyGradients: [[[Float]]]?) throws {
        try pass.backward(logProbGradients, entropyGradients: entropyGradients)
    }
}
