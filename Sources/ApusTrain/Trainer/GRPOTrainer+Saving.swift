import ApusData

extension GRPOTrainer {
    /// Writes a checkpoint when one is due: on schedule, at the end, and when the run was asked to stop.
    func saveIfNeeded(isEpochEnd: Bool) throws(TrainingError) {
        let step = state.globalStep
        guard step > 0, step != state.savedStep, let output,
            configuration.isSaveDue(
                step: step, of: plan.maxSteps, isEpochEnd: isEpochEnd, isStopping: stopSignal.isRequested)
        else { return }
        let contents = CheckpointContents(
            trained: policy, tokenizer: tokenizer,
            state: state.trainerState(
                configuration, maxSteps: plan.maxSteps, epochs: plan.epochs, evalSteps: evaluationInterval ?? 500,
                batchSize: plan.batch.microBatchSize),
            snapshot: configuration.saveOnlyModel ? nil : snapshot)
        let isLast = step >= plan.maxSteps || stopSignal.isRequested
        if try output.save(contents, isLast: isLast) { state.savedStep = step }
    }

    private var snapshot: RunSnapshot {
        var snapshot = state.snapshot(
            configuration: [String: JSONValue](settingsOf: configuration), identity: identity)
        snapshot.entropy = entropy
        let isInUse = state.microStep % plan.batch.generateEvery != 0
        snapshot.generation = isInUse ? generation.map(GenerationSnapshot.init) : nil
        return snapshot
    }
}
