import Foundation

extension GRPOTrainer {
    /// Writes a checkpoint when one is due.
    func saveIfNeeded(isEpochEnd: Bool) throws(TrainingError) {
        try output?.saveIfDue(
            &state, isEpochEnd: isEpochEnd, isStopping: stopSignal.isRequested,
            keeping: configuration.loadBestModelAtEnd ? state.evaluations.best?.step : nil
        ) { snapshot in
            snapshot.entropy = entropy
            snapshot.promptSelection = configuration.drawsBeyondBatch ? promptSelection : nil
            let isInUse = snapshot.counters.microStep % plan.batch.generateEvery != 0
            snapshot.generation = isInUse ? generation.map(GenerationSnapshot.init) : nil
        }
    }

    /// Gives the policy the parameters of the best evaluation, where `load_best_model_at_end` asks for it.
    /// - Returns: the checkpoint that they are from; `nil` when there is none to choose.
    func loadBestModel() throws(TrainingError) -> String? {
        guard configuration.loadBestModelAtEnd, let directory = output?.directory else { return nil }
        guard let best = state.evaluations.best else {
            onEvent?(
                .warning(
                    "load_best_model_at_end: no step was evaluated, so the last one stays; lower eval_steps or eval_delay"
                ))
            return nil
        }
        let checkpoint = SavedCheckpoint.url(step: best.step, in: directory.url)
        if best.step == state.globalStep { return checkpoint.path }
        do {
            try policy.restore(from: checkpoint)
        } catch {
            throw TrainingError(
                .output,
                "load_best_model_at_end: \(checkpoint.path) cannot be read: \(error); the last step is saved beside it")
        }
        onEvent?(
            .notice(
                "\(best.metric) was best after step \(best.step): the run ends with \(checkpoint.lastPathComponent) "
                    + "(load_best_model_at_end)"))
        return checkpoint.path
    }
}
