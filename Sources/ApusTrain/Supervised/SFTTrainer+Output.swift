extension SFTTrainer {
    /// Takes the output folder, and goes to the checkpoint that the run continues, if it does.
    func openOutput() throws(TrainingError) {
        let output = try RunOutput(
            configuration,
            extent: RunExtent(maxSteps: plan.maxSteps, epochs: plan.epochs, batchSize: plan.microBatchSize),
            identity: RunIdentity.entries(of: learner, dataset: RunIdentity.digest(of: examples)), trained: learner,
            tokenizer: tokenizer, tell: { [weak self] in self?.onEvent?($0) })
        self.output = output
        if let point = output.resumed { state.resume(point) }
    }

    /// Writes a log line when one is due; `force` writes what has not been written.
    func logIfNeeded(force: Bool) throws(TrainingError) {
        if let record = try output?.logIfDue(&state, force: force) { onEvent?(.logged(record)) }
    }

    /// Writes a checkpoint when one is due.
    func saveIfNeeded(isEpochEnd: Bool) throws(TrainingError) {
        try output?.saveIfDue(&state, isEpochEnd: isEpochEnd, isStopping: stopSignal.isRequested)
    }
}
