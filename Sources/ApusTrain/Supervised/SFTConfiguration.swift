public import ApusModel

/// Everything that a supervised run can be told, under the names that TRL's `SFTConfig` gives its settings.
///
/// Defaults are those of trl 1.16, but for the order: this trainer shuffles, as TRL's sampler does.
public struct SFTConfiguration: DeclaredSettings {
    // MARK: Batches

    /// Sequences in one micro-step; with ``packing``, packs of sequences.
    public var perDeviceTrainBatchSize = 8
    /// Micro-steps whose gradients are added up before one optimizer step.
    public var gradientAccumulationSteps = 1
    /// The longest sequence in tokens; longer ones lose their end. `nil` for the model's context.
    public var maxLength: Int? = 1024
    /// Fill packs of up to ``maxLength`` tokens with whole sequences (best fit, longest first). Sequences never see each
    /// other, and there is no padding to save: packing only makes steps of more equal size.
    public var packing = false
    /// Draw the examples in random order, anew in each pass over the data.
    public var shuffleDataset = true

    // MARK: Loss

    /// Learn the completion alone. `nil`: yes for rows with prompt and completion, no for others.
    public var completionOnlyLoss: Bool?
    /// Learn the assistant's turns of a conversation alone.
    public var assistantOnlyLoss = false

    // MARK: Optimizer, log and checkpoints

    /// AdamW, its learning rate and the length of the run; the rate's default is TRL's for supervised training.
    public var optimizer = OptimizerSettings(learningRate: 2e-5)
    /// The log, the checkpoints, and the run that is continued.
    public var output = OutputSettings()

    // MARK: Randomness and memory

    /// Seed of initial values and of the order.
    public var seed = 42
    /// Seed of the order alone; `nil` means ``seed``.
    public var dataSeed: Int?
    /// Share of the memory that this process may use which it may hold; see ``GRPOConfiguration/memoryUtilization``.
    public var memoryUtilization = 0.8
    /// What a backward pass starts from.
    public var gradientCheckpointing = GradientCheckpointing.recompute

    /// The defaults.
    public init() {}
}
