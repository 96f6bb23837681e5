/// Everything that a supervised run can be told, under the names that TRL's `SFTConfig` gives its settings.
///
/// Defaults are those of trl 1.16, but for the order: this trainer shuffles, as TRL's sampler does.
public struct SFTConfiguration: OptimizerSettings, OutputSettings {
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

    // MARK: Optimizer

    /// Peak learning rate.
    public var learningRate = 2e-5
    /// Shape of the learning rate over the run.
    public var lrSchedulerType = ScheduleKind.linear
    /// What that shape takes besides.
    public var lrSchedulerArguments = ScheduleArguments()
    /// Optimizer steps of warm-up; below 1, a share of all steps.
    public var warmupSteps = 0.0
    /// Warm-up as a share of all steps, when ``warmupSteps`` is 0 (key of older Transformers).
    public var warmupRatio = 0.0
    /// AdamW's decay of the first moment.
    public var adamBeta1 = 0.9
    /// AdamW's decay of the second moment.
    public var adamBeta2 = 0.999
    /// AdamW's term in the denominator.
    public var adamEpsilon = 1e-8
    /// AdamW's decoupled weight decay.
    public var weightDecay = 0.0
    /// Global gradient norm to clip to; 0 is off.
    public var maxGradNorm = 1.0
    /// Optimizer steps of the run; 0 or less means ``numTrainEpochs`` decides.
    public var maxSteps = -1
    /// Passes over the data.
    public var numTrainEpochs = 3.0

    // MARK: Logging and saving

    /// Folder of checkpoints and metrics.
    public var outputDir = "trainer_output"
    /// Optimizer steps between log lines; below 1, a share of all steps.
    public var loggingSteps = 10.0
    /// Log the first step too.
    public var loggingFirstStep = false
    /// When checkpoints are written.
    public var saveStrategy = SaveStrategy.steps
    /// Optimizer steps between checkpoints; below 1, a share of all steps.
    public var saveSteps = 500.0
    /// How many checkpoints to keep; `nil` keeps all.
    public var saveTotalLimit: Int?
    /// Save what is trained without the optimizer and the state that a continuation needs.
    public var saveOnlyModel = false
    /// Checkpoint folder to go on from; `true` is the newest whole one in ``outputDir``.
    public var resumeFromCheckpoint: String?
    /// Go on from a checkpoint of another model, data set or configuration, with a warning. Not a TRL key.
    public var forceResume = false
    /// What happens when a checkpoint or a log line cannot be written. Not a TRL key.
    public var onSaveFailure = SaveFailureResponse.stop
    /// Optimizer steps in a row whose loss or gradient is not finite, after which the run stops. Not a TRL key.
    public var maxSkippedSteps = 3

    // MARK: Randomness and memory

    /// Seed of initial values and of the order.
    public var seed = 42
    /// Seed of the order alone; `nil` means ``seed``.
    public var dataSeed: Int?
    /// Share of the memory that this process may use which it may hold; see ``GRPOConfiguration/memoryUtilization``.
    public var memoryUtilization = 0.8

    /// The defaults.
    public init() {}
}
