extension GRPOTrainer {
    /// Writes a checkpoint when one is due.
    func saveIfNeeded(isEpochEnd: Bool) throws(TrainingError) {
        try output?.saveIfDue(&state, isEpochEnd: isEpochEnd, isStopping: stopSignal.isRequested) { snapshot in
            snapshot.entropy = entropy
            let isInUse = snapshot.counters.microStep % plan.batch.generateEvery != 0
            snapshot.generation = isInUse ? generation.map(GenerationSnapshot.init) : nil
        }
    }
}
