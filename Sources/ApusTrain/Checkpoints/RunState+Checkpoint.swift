import ApusData
import Foundation

extension RunState {
    /// Where a checkpoint left the run.
    init(_ point: ResumePoint) {
        counters = point.snapshot.counters
        gradientNorm = point.snapshot.gradientNorm ?? .nan
        learningRate = point.snapshot.learningRate
        savedStep = point.snapshot.counters.globalStep
        metrics = point.snapshot.window
        history = point.history
        evaluations = point.snapshot.evaluations ?? EvaluationCourse()
    }

    /// What a continuation of any run needs.
    func snapshot(configuration: [String: JSONValue], identity: [String: JSONValue]) -> RunSnapshot {
        RunSnapshot(
            configuration: configuration, identity: identity, counters: counters,
            gradientNorm: gradientNorm.isFinite ? gradientNorm : nil, learningRate: learningRate, window: metrics,
            evaluations: evaluations)
    }

    /// Transformers' file.
    /// - Parameter folder: the output folder.
    func trainerState(_ settings: OutputSettings, _ extent: RunExtent, in folder: URL) -> TrainerState {
        let best = evaluations.best.map {
            (value: $0.value, checkpoint: SavedCheckpoint.url(step: $0.step, in: folder))
        }
        let isBestSaved =
            evaluations.best?.step == counters.globalStep
            || best.map { FileManager.default.fileExists(atPath: $0.checkpoint.path) } ?? false
        return TrainerState(
            bestMetric: best?.value, bestCheckpoint: isBestSaved ? best?.checkpoint.path : nil, epoch: counters.epoch,
            globalStep: counters.globalStep, logHistory: history,
            loggingSteps: settings.interval(settings.loggingSteps, of: extent.maxSteps), maxSteps: extent.maxSteps,
            tokensSeen: counters.tokensSeen, epochs: extent.epochs,
            saveSteps: settings.interval(settings.saveSteps, of: extent.maxSteps), evalSteps: extent.evalSteps,
            batchSize: extent.batchSize, isLast: counters.globalStep >= extent.maxSteps)
    }
}
