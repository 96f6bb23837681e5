import ApusData

extension SFTTrainer {
    /// Takes the output folder, and goes to the checkpoint that the run continues, if it does.
    func openOutput() throws(TrainingError) {
        identity = RunIdentity.entries(of: learner, dataset: RunIdentity.digest(of: examples))
        let output = try RunOutput(
            configuration, configuration: [String: JSONValue](settingsOf: configuration), identity: identity,
            restoring: learner, tell: { [weak self] in self?.onEvent?($0) })
        self.output = output
        if let point = output.resumed { state.resume(point) }
    }

    /// Writes a log line when one is due; `force` writes what has not been written.
    func logIfNeeded(force: Bool) throws(TrainingError) {
        let step = state.globalStep
        guard state.stepsSinceLog > 0, force || configuration.isLogDue(step: step, of: plan.maxSteps) else { return }
        let record = state.takeLogLine()
        try output?.append(record, "step \(step)")
        onEvent?(.logged(record))
    }

    /// Writes a checkpoint when one is due: on schedule, at the end, and when the run was asked to stop.
    func saveIfNeeded(isEpochEnd: Bool) throws(TrainingError) {
        let step = state.globalStep
        guard step > 0, step != state.savedStep, let output,
            configuration.isSaveDue(
                step: step, of: plan.maxSteps, isEpochEnd: isEpochEnd, isStopping: stopSignal.isRequested)
        else { return }
        let contents = CheckpointContents(
            trained: learner, tokenizer: tokenizer,
            state: state.trainerState(
                configuration, maxSteps: plan.maxSteps, epochs: plan.epochs, batchSize: plan.microBatchSize),
            snapshot: configuration.saveOnlyModel
                ? nil
                : state.snapshot(configuration: [String: JSONValue](settingsOf: configuration), identity: identity))
        let isLast = step >= plan.maxSteps || stopSignal.isRequested
        if try output.save(contents, isLast: isLast) { state.savedStep = step }
    }
}
