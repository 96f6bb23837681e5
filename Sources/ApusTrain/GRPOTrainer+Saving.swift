import ApusFormats
import Foundation

extension GRPOTrainer {
    /// Writes a checkpoint when one is due: on schedule, at the end, and when the run was asked to stop.
    func saveIfNeeded(isEpochEnd: Bool) throws(TrainingError) {
        let step = state.globalStep
        guard step > 0, step != state.savedStep else { return }
        let isLast = step >= plan.maxSteps
        let isDue =
            switch configuration.saveStrategy {
            case .no: false
            case .steps: step % Self.interval(configuration.saveSteps, of: plan.maxSteps) == 0 || isLast
            case .epoch: isEpochEnd || isLast
            }
        guard isDue || (stopSignal.isRequested && configuration.saveStrategy != .no) else { return }
        try save()
    }

    private func save() throws(TrainingError) {
        guard let directory else { return }
        let url = try directory.writeCheckpoint(step: state.globalStep, keep: configuration.saveTotalLimit) { folder in
            try policy.save(to: folder)
            try tokenizer.save(to: folder)
            try policy.saveOptimizer(to: folder)
            try trainerState.json().write(to: folder.appending(path: TrainerState.fileName))
            try JSONEncoder().encode(snapshot).write(to: folder.appending(path: RunSnapshot.fileName))
        }
        state.savedStep = state.globalStep
        onEvent?(.saved(path: url.path))
    }

    private var trainerState: TrainerState {
        TrainerState(
            epoch: state.epoch, globalStep: state.globalStep, logHistory: state.history,
            loggingSteps: Self.interval(configuration.loggingSteps, of: plan.maxSteps), maxSteps: plan.maxSteps,
            tokensSeen: state.tokensSeen, epochs: plan.epochs,
            saveSteps: Self.interval(configuration.saveSteps, of: plan.maxSteps), evalSteps: evaluationInterval ?? 500,
            batchSize: plan.batch.microBatchSize, isLast: state.globalStep >= plan.maxSteps)
    }

    private var snapshot: RunSnapshot {
        let isInUse = state.microStep % plan.batch.generateEvery != 0
        return RunSnapshot(
            configuration: GRPOConfiguration.tree(of: configuration), prompts: plan.prompts, counters: state.counters,
            entropy: state.entropy,
            window: state.metrics, generation: isInUse ? generation.map(GenerationSnapshot.init) : nil)
    }

    /// Puts the run where a checkpoint left it: parameters, moments, counters, log and the generation batch in use.
    ///
    /// The continuation computes what the uninterrupted run would have computed.
    func resume(from folder: URL) throws(TrainingError) {
        let snapshot: RunSnapshot
        let changes: [String]
        do {
            let data = try Data(contentsOf: folder.appending(path: RunSnapshot.fileName))
            snapshot = try JSONDecoder().decode(RunSnapshot.self, from: data)
            changes = snapshot.differences(from: configuration)
            let history = try Data(contentsOf: folder.appending(path: TrainerState.fileName))
            state.history = try JSONDecoder().decode(TrainerState.LogHistory.self, from: history).records
            try policy.restore(from: folder)
        } catch {
            throw TrainingError(
                .resume,
                "resume_from_checkpoint: \(folder.path) cannot be read: \(fileErrorReason(error)); "
                    + "give a checkpoint-N folder that Apus wrote for this model")
        }
        guard changes.isEmpty else {
            throw TrainingError(
                .resume,
                "resume_from_checkpoint: these settings differ from the run's: "
                    + changes.joined(separator: ", ") + "; give the same ones")
        }
        guard snapshot.prompts == plan.prompts else {
            throw TrainingError(
                .resume,
                "resume_from_checkpoint: the run had \(snapshot.prompts) prompts, the data set has "
                    + "\(plan.prompts): give the same data set")
        }
        state.counters = snapshot.counters
        state.savedStep = snapshot.counters.globalStep
        state.entropy = snapshot.entropy
        state.metrics = snapshot.window
        generation = snapshot.generation?.batch
    }
}
