/// What a configuration says of AdamW, of its learning rate and of the length of the run.
public protocol OptimizerSettings {
    /// Peak learning rate.
    var learningRate: Double { get }
    /// Shape of the learning rate over the run.
    var lrSchedulerType: ScheduleKind { get }
    /// Optimizer steps of warm-up; below 1, a share of all steps.
    var warmupSteps: Double { get }
    /// Warm-up as a share of all steps, when ``warmupSteps`` is 0.
    var warmupRatio: Double { get }
    /// AdamW's decay of the first moment.
    var adamBeta1: Double { get }
    /// AdamW's decay of the second moment.
    var adamBeta2: Double { get }
    /// AdamW's term in the denominator.
    var adamEpsilon: Double { get }
    /// AdamW's decoupled weight decay.
    var weightDecay: Double { get }
    /// Global gradient norm to clip to; 0 is off.
    var maxGradNorm: Double { get }
    /// Optimizer steps of the run; 0 or less means ``numTrainEpochs`` decides.
    var maxSteps: Int { get }
    /// Passes over the data.
    var numTrainEpochs: Double { get }
}

extension OptimizerSettings {
    /// Checks the rules of these settings.
    func validateOptimizer() throws(ConfigurationError) {
        try require("learning_rate", learningRate, "must be at least 0") { $0 >= 0 }
        try require("warmup_steps", warmupSteps, "must be at least 0 (below 1 it is a share of all steps)") { $0 >= 0 }
        try require("warmup_ratio", warmupRatio, "must be from 0 to 1") { (0...1).contains($0) }
        try require("adam_beta1", adamBeta1, "must be from 0 up to, not including, 1") { (0..<1).contains($0) }
        try require("adam_beta2", adamBeta2, "must be from 0 up to, not including, 1") { (0..<1).contains($0) }
        try require("adam_epsilon", adamEpsilon, "must be above 0") { $0 > 0 }
        try require("weight_decay", weightDecay, "must be at least 0") { $0 >= 0 }
        try require("max_grad_norm", maxGradNorm, "must be at least 0 (0 is off)") { $0 >= 0 }
        guard maxSteps <= 0 else { return }
        try require("num_train_epochs", numTrainEpochs, "must be above 0 when max_steps is not set") { $0 > 0 }
    }

    /// The optimizer steps of a run in which a pass over the data takes so many.
    func stepCount(stepsPerEpoch: Int) -> Int {
        maxSteps > 0 ? maxSteps : Int((numTrainEpochs * Double(stepsPerEpoch)).rounded(.up))
    }

    /// The AdamW step with this number, from 1.
    func optimizerStep(_ number: Int, learningRate: Double) -> OptimizerStep {
        OptimizerStep(
            learningRate: learningRate, beta1: adamBeta1, beta2: adamBeta2, epsilon: adamEpsilon,
            weightDecay: weightDecay, step: number)
    }
}
