import ApusTensor

/// What a configuration says of AdamW, of its learning rate and of the length of the run.
public struct OptimizerSettings: Sendable, Equatable {
    /// Peak learning rate.
    public var learningRate: Double
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

    /// Transformers' defaults with a learning rate.
    public init(learningRate: Double) { self.learningRate = learningRate }
}

extension OptimizerSettings {
    /// How long a run is.
    static var length: [SettingDeclaration<OptimizerSettings>] {
        [
            .integer(
                "max_steps", \.maxSteps, .atLeast(-Double(Int32.max), limit: Double(Int32.max)),
                "optimizer steps; 0 or less lets `num_train_epochs` decide"
            ).onResume(.notice),
            .number(
                "num_train_epochs", \.numTrainEpochs, .atLeast(0), "passes over the prompts"
            ).onResume(.notice),
        ]
    }

    /// AdamW and its learning rate.
    static var adamW: [SettingDeclaration<OptimizerSettings>] {
        SettingDeclaration.in(
            .optimizer,
            [
                .number(
                    "learning_rate", \.learningRate, .atLeast(0, limit: 1e30),
                    "the peak. LoRA takes 5e-6 (the tutorial) to 5e-4 (small models)"
                ).onResume(.notice),
                .choice("lr_scheduler_type", \.lrSchedulerType, "how the rate falls after the warm-up"),
                SettingDeclaration(
                    "lr_scheduler_kwargs", \.lrSchedulerArguments, .mapping,
                    "what a schedule takes besides, by Transformers' names: `{num_cycles: 3}`, `{min_lr_rate: 0.1}`"
                ),
                .number(
                    "warmup_steps", \.warmupSteps,
                    .atLeast(0, limit: Double(Int32.max), " (below 1 it is a share of all steps)"),
                    "steps of warm-up; below 1 a share of all steps"),
                .number("warmup_ratio", \.warmupRatio, .from(0, to: 1), "the same as a share, when `warmup_steps` is 0")
                    .from(.olderTRL),
                .number("weight_decay", \.weightDecay, .atLeast(0), "AdamW's, decoupled"),
                .number("adam_beta1", \.adamBeta1, .decay, "AdamW's"),
                .number("adam_beta2", \.adamBeta2, .decay, "AdamW's"),
                .number("adam_epsilon", \.adamEpsilon, .above(0, smallest: 1e-30), "AdamW's"),
                .number(
                    "max_grad_norm", \.maxGradNorm, .atLeast(0, limit: 1e12, " (0 is off)"),
                    "the gradient's norm is cut to this; 0 is off"),
            ])
    }

    /// Checks the rules between these settings.
    func validate() throws(ConfigurationError) {
        try lrSchedulerArguments.validate(for: lrSchedulerType, peak: learningRate)
        guard maxSteps <= 0, numTrainEpochs == 0 else { return }
        throw ConfigurationError(
            key: "num_train_epochs", value: "\(numTrainEpochs)", rule: "must be above 0 when max_steps is not set")
    }

    /// The optimizer steps of a run in which a pass over the data takes so many. Nobody sees the end of more than `Int32` counts.
    func stepCount(stepsPerEpoch: Int) -> Int {
        maxSteps > 0
            ? maxSteps : (numTrainEpochs * Double(stepsPerEpoch)).rounded(.up).wholeNumber(in: 0...Int(Int32.max))
    }

    /// The AdamW step with this number, from 1.
    func adamWStep(_ number: Int, learningRate: Double) -> AdamWStep {
        AdamWStep(
            step: number, learningRate: learningRate, beta1: adamBeta1, beta2: adamBeta2, epsilon: adamEpsilon,
            weightDecay: weightDecay)
    }
}
