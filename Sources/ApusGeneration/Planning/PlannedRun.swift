public import ApusModel

/// The sizes of a training run that decide how much memory it takes.
public struct PlannedRun: Sendable, Equatable {
    /// The base model's shape.
    public var model: ModelConfiguration
    /// How its weights will be held.
    public var precision: WeightPrecision
    /// The adapter to train; nil where all weights are trained.
    public var adapter: LoRAConfiguration?
    /// Prompts of one generation.
    public var prompts = 1
    /// Completions of each prompt.
    public var groupSize = 8
    /// Completions in one pass of training (a micro-step).
    public var completionsPerPass = 8
    /// Tokens of the longest prompt.
    public var promptTokens = 256
    /// Tokens of the longest completion.
    public var completionTokens = 512
    /// Whether completions are scored under the base model too (a KL term).
    public var hasReference = false
    /// What a backward pass starts from.
    public var checkpointing = GradientCheckpointing.recompute
    /// Threads that compute.
    public var threads = 1

    /// A run of a model; set the other sizes afterwards.
    public init(model: ModelConfiguration, precision: WeightPrecision, adapter: LoRAConfiguration?) {
        self.model = model
        self.precision = precision
        self.adapter = adapter
    }

    /// Groups that a pass of training meets at most.
    var groupsPerPass: Int { (completionsPerPass + groupSize - 1) / groupSize }

    /// The longest prompt that leaves a completion any room in the model's context.
    var promptLimit: Int { max(1, min(promptTokens, model.contextLength - 1)) }

    /// The longest completion beside it.
    var completionLimit: Int { max(1, min(completionTokens, model.contextLength - promptLimit)) }
}
