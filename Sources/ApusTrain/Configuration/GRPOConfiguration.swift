public import ApusData
public import ApusModel

/// Everything that a GRPO run can be told, under the names that TRL's `GRPOConfig` gives its settings.
///
/// Its keys are TRL's (`per_device_train_batch_size`, `num_generations`, …), so one file serves both
/// worlds. Defaults are those of trl 1.16. Settings that are off by default are `nil` and are written as `null`.
/// ``init(settings:)`` reads a partial set of keys over the defaults; ``validate()`` checks the rules between them.
public struct GRPOConfiguration: DeclaredSettings {
    // MARK: Batches

    /// Completions in one micro-step. When a generation batch cannot be cut into whole groups it is raised to
    /// ``numGenerations``: see ``BatchPlan``.
    public var perDeviceTrainBatchSize = 8
    /// Micro-steps whose gradients are added up before one optimizer step.
    public var gradientAccumulationSteps = 1
    /// Completions sampled for each prompt: the size of a group.
    public var numGenerations = 8
    /// Completions in one generation batch. Exclusive with ``stepsPerGeneration``.
    public var generationBatchSize: Int?
    /// Micro-steps that one generation batch is cut into; `nil` means ``gradientAccumulationSteps``.
    public var stepsPerGeneration: Int?
    /// How many times each generation batch is trained on (μ of the paper).
    public var numIterations = 1
    /// Refuse batch sizes that TRL refuses, instead of raising the batch to one whole group. Not a TRL key.
    public var strictBatchSize = false

    // MARK: Sampling

    /// Longest completion in tokens; also the constant divisor of `dr_grpo`.
    public var maxCompletionLength = 512
    /// Keep only the last so many tokens of a prompt; `nil` keeps prompts whole, as TRL has since 1.0.
    public var maxPromptLength: Int?
    /// The share of the prompts that may be as long as they are, where the data decide on ``maxPromptLength``. Not a TRL key.
    public var maxPromptQuantile: Double?
    /// What happens to a prompt that is longer than it may be. Not a TRL key.
    public var overlongPrompts = OverlongPromptPolicy.cut
    /// Divides the logits, in sampling and in the log-probabilities that are trained.
    public var temperature = 1.0
    /// Nucleus sampling; 1 is off. Filters change what is sampled, never a log-probability.
    public var topP = 1.0
    /// Keep the k most likely tokens; 0 is off.
    public var topK = 0
    /// Drop tokens less likely than this share of the most likely one; `nil` is off.
    public var minP: Double?
    /// Penalty on tokens of the prompt and the completion so far; 1 is off.
    public var repetitionPenalty = 1.0
    /// Texts that end a completion, in training and in evaluations; the token that completes one is its last.
    public var stop: [String] = []
    /// Sample further prompts in the place of groups whose rewards are equal (DAPO). Not a TRL key.
    public var dynamicSampling = false
    /// Rounds of sampling for one generation batch at most, with ``dynamicSampling``. Not a TRL key; DAPO's code has it.
    public var maxNumGenBatches = 3
    /// Draw prompts less often whose groups had equal rewards lately (GRESO). Not a TRL key.
    public var selectiveRollout = false
    /// Share of the memory that this process may use (the control group's limit, or the machine's memory) which it may hold:
    /// what weights leave of it goes to keys, values and kept rows. Not a TRL key; vLLM's for a GPU is close.
    public var memoryUtilization = 0.8
    /// What a backward pass starts from.
    public var gradientCheckpointing = GradientCheckpointing.recompute

    // MARK: Loss

    /// The form and the reduction of the loss.
    public var lossType = LossType.dapo
    /// Whether the ratio is taken for each token or once a completion.
    public var importanceSamplingLevel = ImportanceSamplingLevel.token
    /// Clip range below 1, and above when ``epsilonHigh`` is `nil`.
    public var epsilon = 0.2
    /// Clip range above 1; for `cispo` the cap itself.
    public var epsilonHigh: Double?
    /// Upper bound of the unclipped ratio (two-sided clipping).
    public var delta: Double?
    /// Weight of the KL term; 0 leaves out the reference pass.
    public var beta = 0.0
    /// Multiply the KL estimate with the ratio, which makes its gradient unbiased.
    public var useBiasCorrectionKL = true
    /// Leave completions that hit ``maxCompletionLength`` out of the loss.
    public var maskTruncatedCompletions = false
    /// Train only on this share of tokens, those with the highest entropy; 1 is all.
    public var topEntropyQuantile = 1.0
    /// Weight of the entropy bonus.
    public var entropyCoef = 0.0
    /// Steer ``entropyCoef`` towards ``entropyTarget``.
    public var useAdaptiveEntropy = false
    /// Lower bound of the adaptive coefficient.
    public var entropyCoefMin = 0.0
    /// Upper bound of the adaptive coefficient.
    public var entropyCoefMax = 1.0
    /// Change of the adaptive coefficient at each optimizer step.
    public var entropyCoefDelta = 0.005
    /// Entropy in nats below which the bonus acts.
    public var entropyTarget = 0.2
    /// Drop completions of negative advantage that drifted further than this from the policy that sampled them.
    public var offPolicyMaskThreshold: Double?
    /// SAPO's gate temperature for advantages that are not positive.
    public var sapoTemperatureNeg = 1.05
    /// SAPO's gate temperature for positive advantages.
    public var sapoTemperaturePos = 1.0
    /// VESPO's exponent for advantages of at least 0.
    public var vespoKPos = 2.0
    /// VESPO's decay for advantages of at least 0.
    public var vespoLambdaPos = 3.0
    /// VESPO's exponent for negative advantages.
    public var vespoKNeg = 3.0
    /// VESPO's decay for negative advantages.
    public var vespoLambdaNeg = 2.0

    // MARK: Rewards

    /// One weight a reward function; `nil` weighs all 1.
    public var rewardWeights: [Double]?
    /// What the centred rewards are divided by.
    public var scaleRewards = RewardScaling.group
    /// Whether rewards are added before or after they are normalised.
    public var multiObjectiveAggregation = RewardAggregation.sumThenNormalize

    // MARK: Rewards that fail

    /// What happens when a reward function throws, hangs, or returns what is no score.
    public var rewardFailure = RewardFailurePolicy.stop
    /// The share of a generation's completions above which a function that fails on them counts as broken.
    public var rewardFailureLimit = 0.5
    /// Generations in a row with a broken function after which the run stops all the same.
    public var rewardFailureBatches = 5

    // MARK: Optimizer, log and checkpoints

    /// AdamW, its learning rate and the length of the run; the rate's default is TRL's for GRPO.
    public var optimizer = OptimizerSettings(learningRate: 1e-6)
    /// The log, the checkpoints, and the run that is continued.
    public var output = OutputSettings()
    /// What happens after ``OutputSettings/maxSkippedSteps``. Not a TRL key.
    public var onNotFinite = NotFiniteResponse.stop

    // MARK: Evaluation

    /// When the model is evaluated on data that it is not trained on.
    public var evalStrategy = EvaluationStrategy.no
    /// Optimizer steps between evaluations; below 1, a share of all steps; `nil` means ``OutputSettings/loggingSteps``.
    public var evalSteps: Double?
    /// Steps (epochs, where ``evalStrategy`` counts these) before the first evaluation.
    public var evalDelay = 0.0
    /// Evaluate before the first step too.
    public var evalOnStart = false
    /// Completions in one evaluation batch: metrics are computed for each batch, then averaged.
    public var perDeviceEvalBatchSize = 8
    /// Completions sampled for each evaluation prompt; `nil` means ``numGenerations``, and 1 where they would be all alike.
    public var numGenerationsEval: Int?
    /// Divides the logits while evaluation prompts are answered; 0 always takes the likeliest token; `nil` means
    /// ``temperature``. Not a TRL key.
    public var evalTemperature: Double?
    /// Keep the checkpoint of the best evaluation, and end with its parameters.
    public var loadBestModelAtEnd = false
    /// The metric of an evaluation by which the best step is chosen, with or without `eval_` in front; `nil` is the reward.
    public var metricForBestModel: String?
    /// Whether more of that metric is better; `nil` says no for a name that ends with `loss`.
    public var greaterIsBetter: Bool?
    /// Where metrics go beside `metrics.jsonl`.
    public var reportTo: [ReportTarget] = []
    /// Folder of TensorBoard's event files; `nil` is a folder in `runs` in ``OutputSettings/outputDir``.
    public var loggingDir: String?
    /// Write the completions behind each log line to `completions/completions_<step>.jsonl`.
    public var logCompletions = false
    /// How many of them a display shows at each log line; `nil` leaves it to the display.
    public var numCompletionsToPrint: Int?
    /// Show one completion a prompt only.
    public var logUniquePrompts = false
    /// End the run after so many generations in a row in which every group's rewards were equal; `nil` is never. Not a TRL
    /// key.
    public var stopAfterEqualRewards: Int?

    // MARK: Randomness

    /// Seed of sampling, of LoRA's initial values and of the row order.
    public var seed = 42
    /// Seed of the prompt order; `nil` means ``seed``.
    public var dataSeed: Int?
    /// Draw prompts in random order.
    public var shuffleDataset = true
    /// Set every dropout probability to 0. Nothing in this trainer drops out, so both values mean the same.
    public var disableDropout = false

    // MARK: Reference model

    /// Move the reference towards the policy during the run. Only for full fine-tuning: refused here.
    public var syncRefModel = false

    /// The defaults of trl 1.16.
    public init() {}

    /// Whether a generation may draw other prompts than those whose turn it is by the step alone.
    var drawsBeyondBatch: Bool { dynamicSampling || selectiveRollout }
}
