import Foundation

extension GRPOTrainer {
    /// Writes a checkpoint when one is due: on schedule, at the end, and when the run was asked to stop.
    func saveIfNeeded(isEpochEnd: Bool) throws(TrainingError) {
        let step = state.globalStep
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
            try trainerState.json().write(to: folder.appending(path: "trainer_state.json"))
            try RunSnapshot(self).json().write(to: folder.appending(path: "apus_state.json"))
        }
        onEvent?(.saved(path: url.path))
    }

    private var trainerState: TrainerState {
        TrainerState(
            epoch: state.epoch, globalStep: state.globalStep, logHistory: state.history,
            loggingSteps: Self.interval(configuration.loggingSteps, of: plan.maxSteps), maxSteps: plan.maxSteps,
            tokensSeen: state.tokensSeen, epochs: plan.epochs,
            saveSteps: Self.interval(configuration.saveSteps, of: plan.maxSteps),
            batchSize: plan.batch.microBatchSize, isLast: state.globalStep >= plan.maxSteps)
    }
}

/// `apus_state.json`: what an exact continuation needs beside the parameters and the optimizer's moments. All randomness is a
/// function of the seed and these counters.
private struct RunSnapshot: Encodable {
    let version = 1
    let global_step: Int
    let optimizer_steps: Int
    let micro_step: Int
    let generations: Int
    let num_tokens: Int
    let entropy_controller: EntropyController
    let configuration: GRPOConfiguration

    init(_ trainer: GRPOTrainer) {
        global_step = trainer.state.globalStep
        optimizer_steps = trainer.state.appliedSteps
        micro_step = trainer.state.microStep
        generations = trainer.state.generations
        num_tokens = trainer.state.tokensSeen
        entropy_controller = trainer.state.entropy
        configuration = trainer.configuration
    }

    func json() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(self) + Data("\n".utf8)
    }
}
