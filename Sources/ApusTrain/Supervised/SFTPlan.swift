/// The sizes of a supervised run.
public struct SFTPlan: Sendable, Equatable {
    /// Sequences that are trained on, after those without anything to learn were left out.
    public var examples: Int
    /// What a batch counts: sequences, or packs of them.
    public var units: Int
    /// Units in one micro-step.
    public var microBatchSize: Int
    /// Units in one optimizer step; the last of a pass over the data may have fewer.
    public var unitsPerStep: Int
    /// Optimizer steps in one pass over the data.
    public var stepsPerEpoch: Int
    /// Optimizer steps of the run.
    public var maxSteps: Int
    /// Passes over the data that are begun.
    public var epochs: Int

    /// How far the run goes.
    var extent: RunExtent {
        RunExtent(
            maxSteps: maxSteps, epochs: epochs, batchSize: microBatchSize, unitsPerEpoch: units,
            unitsPerStep: unitsPerStep)
    }

    init(_ configuration: SFTConfiguration, examples: Int, units: Int) {
        self.examples = examples
        self.units = units
        microBatchSize = configuration.perDeviceTrainBatchSize
        unitsPerStep = microBatchSize * configuration.gradientAccumulationSteps
        stepsPerEpoch = max(1, (units + unitsPerStep - 1) / unitsPerStep)
        maxSteps = configuration.optimizer.stepCount(stepsPerEpoch: stepsPerEpoch)
        epochs = (maxSteps + stepsPerEpoch - 1) / stepsPerEpoch
    }
}
