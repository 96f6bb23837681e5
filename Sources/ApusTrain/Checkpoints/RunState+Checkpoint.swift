import ApusData

extension RunState {
    /// Goes to where a checkpoint left the run.
    mutating func resume(_ point: ResumePoint) {
        counters = point.snapshot.counters
        gradientNorm = point.snapshot.gradientNorm ?? .nan
        learningRate = point.snapshot.learningRate
        savedStep = point.snapshot.counters.globalStep
        metrics = point.snapshot.window
        history = point.history
    }

    /// What a continuation of any run needs.
    func snapshot(configuration: [String: JSONValue], identity: [String: JSONValue]) -> RunSnapshot {
        RunSnapshot(
            configuration: configuration, identity: identity, counters: counters,
            gradientNorm: gradientNorm.isFinite ? gradientNorm : nil, learningRate: learningRate, window: metrics)
    }

    /// Transformers' file.
    func trainerState(_ settings: some OutputSettings, _ extent: RunExtent) -> TrainerState {
        TrainerState(
            epoch: counters.epoch, globalStep: counters.globalStep, logHistory: history,
            loggingSteps: settings.interval(settings.loggingSteps, of: extent.maxSteps), maxSteps: extent.maxSteps,
            tokensSeen: counters.tokensSeen, epochs: extent.epochs,
            saveSteps: settings.interval(settings.saveSteps, of: extent.maxSteps), evalSteps: extent.evalSteps,
            batchSize: extent.batchSize, isLast: counters.globalStep >= extent.maxSteps)
    }
}
