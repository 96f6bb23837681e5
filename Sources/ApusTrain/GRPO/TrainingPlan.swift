/// The sizes of a run.
public struct TrainingPlan: Sendable, Equatable {
    /// How batches are cut.
    public var batch: BatchPlan
    /// Prompts in the data set.
    public var prompts: Int
    /// Micro-steps in one pass over the prompts.
    public var microStepsPerEpoch: Int
    /// Optimizer steps in one pass over the prompts; the last one may have fewer micro-steps.
    public var stepsPerEpoch: Int
    /// Optimizer steps of the run.
    public var maxSteps: Int
    /// Passes over the prompts that are begun.
    public var epochs: Int
    /// Bytes that the run means to hold; nil where that is not known.
    public var plannedMemory: Int?

    /// How far the run goes.
    func extent(_ configuration: GRPOConfiguration) -> RunExtent {
        RunExtent(
            maxSteps: maxSteps, epochs: epochs, batchSize: batch.microBatchSize, unitsPerEpoch: microStepsPerEpoch,
            unitsPerStep: batch.accumulationSteps, evalSteps: configuration.evaluationInterval(of: maxSteps) ?? 500)
    }

    init(_ configuration: GRPOConfiguration, batch: BatchPlan, prompts: Int) {
        self.batch = batch
        self.prompts = prompts
        microStepsPerEpoch = prompts / batch.promptsPerGeneration * batch.generateEvery
        stepsPerEpoch = max(1, (microStepsPerEpoch + batch.accumulationSteps - 1) / batch.accumulationSteps)
        maxSteps = configuration.optimizer.stepCount(stepsPerEpoch: stepsPerEpoch)
        epochs =
            configuration.optimizer.maxSteps > 0
            ? (maxSteps + stepsPerEpoch - 1) / stepsPerEpoch
            : configuration.optimizer.numTrainEpochs.rounded(.up).wholeNumber(in: 1...Int(Int32.max))
    }
}
