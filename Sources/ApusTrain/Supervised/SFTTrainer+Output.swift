import Foundation

extension SFTTrainer {
    /// Takes the output folder.
    func openOutput() throws(TrainingError) {
        let directory = try RunDirectory(path: configuration.outputDir)
        self.directory = directory
        if let earlier = RunDirectory.newestCheckpoint(in: directory.url) {
            onEvent?(
                .warning("output_dir holds \(earlier.lastPathComponent) of an earlier run; this run starts afresh"))
        }
        metricsLog = try MetricsLog(directory: directory.url)
    }

    /// Gives it back.
    func closeOutput() {
        directory = nil
        metricsLog = nil
    }

    /// Writes a log line when one is due; `force` writes what has not been written.
    func logIfNeeded(force: Bool) throws(TrainingError) {
        let step = state.step
        let isDue =
            step % GRPOTrainer.interval(configuration.loggingSteps, of: plan.maxSteps) == 0
            || (step == 1 && configuration.loggingFirstStep)
        guard state.stepsSinceLog > 0, force || isDue else { return }
        var record = MetricsRecord(step: step)
        state.window.drain(into: &record)
        record.append("epoch", state.epoch)
        state.stepsSinceLog = 0
        state.history.append(record)
        try metricsLog?.append(record)
        onEvent?(.logged(record))
    }

    /// Writes a checkpoint when one is due: on schedule, at the end, and when the run was asked to stop.
    func saveIfNeeded(isEpochEnd: Bool) throws(TrainingError) {
        let step = state.step
        guard step > 0, step != state.savedStep, configuration.saveStrategy != .no else { return }
        let isLast = step >= plan.maxSteps || stopSignal.isRequested
        let isDue =
            configuration.saveStrategy == .epoch
            ? isEpochEnd : step % GRPOTrainer.interval(configuration.saveSteps, of: plan.maxSteps) == 0
        guard isDue || isLast, let directory else { return }
        let url = try directory.writeCheckpoint(step: step, keep: configuration.saveTotalLimit) { folder in
            try learner.save(to: folder)
            try tokenizer.save(to: folder)
            try trainerState.json().write(to: folder.appending(path: TrainerState.fileName))
        }
        state.savedStep = step
        onEvent?(.saved(path: url.path))
    }

    private var trainerState: TrainerState {
        TrainerState(
            epoch: state.epoch, globalStep: state.step, logHistory: state.history,
            loggingSteps: GRPOTrainer.interval(configuration.loggingSteps, of: plan.maxSteps),
            maxSteps: plan.maxSteps, tokensSeen: state.tokensSeen, epochs: plan.epochs,
            saveSteps: GRPOTrainer.interval(configuration.saveSteps, of: plan.maxSteps), evalSteps: 500,
            batchSize: plan.microBatchSize, isLast: state.step >= plan.maxSteps)
    }
}

extension LearningRateSchedule {
    /// The schedule of a supervised run.
    init(_ configuration: SFTConfiguration, maxSteps: Int) {
        let given = configuration.warmupSteps
        let share = given > 0 ? given : configuration.warmupRatio
        self.init(
            kind: configuration.lrSchedulerType, peak: configuration.learningRate,
            warmupSteps: given >= 1 ? Int(given) : Int((Double(maxSteps) * share).rounded(.up)), maxSteps: maxSteps)
    }
}
