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
        let isLast = state.globalStep >= plan.maxSteps
        try surviving("step \(state.globalStep) is not saved", unless: isLast || stopSignal.isRequested) {
            () throws(TrainingError) in
            try metricsLog?.synchronize()
            let url = try directory.writeCheckpoint(
                step: state.globalStep, keep: configuration.saveTotalLimit, expectedBytes: policy.checkpointBytes,
                writeFiles)
            state.savedStep = state.globalStep
            onEvent?(.saved(path: url.path))
        }
    }

    private func writeFiles(to folder: URL) throws {
        try policy.save(to: folder)
        try tokenizer.save(to: folder)
        try trainerState.json().write(to: folder.appending(path: TrainerState.fileName))
        guard !configuration.saveOnlyModel else { return }
        try policy.saveOptimizer(to: folder)
        try JSONEncoder().encode(snapshot).write(to: folder.appending(path: RunSnapshot.fileName))
    }

    /// Does what needs the disk. With `on_save_failure: continue` a failure becomes a warning, unless nothing comes after it.
    func surviving(
        _ loss: String, unless isLast: Bool = false, _ body: () throws(TrainingError) -> Void
    ) throws(TrainingError) {
        do {
            try body()
        } catch {
            guard configuration.onSaveFailure == .continue, !isLast else { throw error }
            onEvent?(.warning("\(error); \(loss) (on_save_failure: continue)"))
        }
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
            configuration: GRPOConfiguration.tree(of: configuration), identity: identity, counters: state.counters,
            gradientNorm: state.gradientNorm.isFinite ? state.gradientNorm : nil, learningRate: state.learningRate,
            entropy: state.entropy, window: state.metrics,
            generation: isInUse ? generation.map(GenerationSnapshot.init) : nil)
    }
}
