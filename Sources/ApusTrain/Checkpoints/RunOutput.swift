import ApusData
import Foundation

/// How far a run goes, for its log, its checkpoints and Transformers' file.
struct RunExtent {
    /// Optimizer steps of the run.
    var maxSteps: Int
    /// Passes over the data that are begun.
    var epochs: Int
    /// What a micro-step takes.
    var batchSize: Int
    /// What a pass over the data is cut into: micro-steps or sequences.
    var unitsPerEpoch: Int
    /// Units in one optimizer step; the last of a pass may have fewer.
    var unitsPerStep: Int
    /// Optimizer steps between evaluations; without these, Transformers' default.
    var evalSteps = 500

    /// Optimizer steps in one pass over the data.
    var stepsPerEpoch: Int { max(1, (unitsPerEpoch + unitsPerStep - 1) / unitsPerStep) }
}

/// What a run writes, under the lock on its output folder: log lines and checkpoints.
final class RunOutput {
    /// The output folder.
    let directory: RunDirectory
    /// The checkpoint that the run goes on from, if it does.
    let resumed: ResumePoint?
    private let settings: OutputSettings
    private let extent: RunExtent
    /// The run's settings, by key.
    private let configuration: [String: JSONValue]
    private let identity: [String: JSONValue]
    private let trained: any TrainedParameters
    private let tokenizer: any PromptTokenizer
    private let log: MetricsLog
    private let tell: (TrainingEvent) -> Void

    /// Takes the output folder, and finds and restores the checkpoint that the run continues, if it does.
    /// - Parameters:
    ///   - identity: what the run is made of, see ``RunIdentity``.
    ///   - trained: is put where the checkpoint left it.
    init(
        _ settings: OutputSettings, of configuration: any DeclaredSettings, extent: RunExtent,
        identity: [String: JSONValue],
        trained: any TrainedParameters,
        tokenizer: any PromptTokenizer, tell: @escaping (TrainingEvent) -> Void
    ) throws(TrainingError) {
        // Before the folder is created: a wrong path must not leave one behind.
        let named = try ResumePoint.namedCheckpoint(settings)
        let directory = try RunDirectory(path: settings.outputDir)
        self.directory = directory
        self.settings = settings
        self.extent = extent
        self.configuration = configuration.members
        self.identity = identity
        self.trained = trained
        self.tokenizer = tokenizer
        self.tell = tell
        guard settings.resumeFromCheckpoint != nil else {
            if let earlier = RunDirectory.newestCheckpoint(in: directory.url) {
                tell(
                    .warning("output_dir holds \(earlier.lastPathComponent) of an earlier run; this run starts afresh"))
            }
            resumed = nil
            log = try MetricsLog(directory: directory.url)
            return
        }
        // Under the lock: no other run changes the folder now.
        let folder =
            if let named { named } else { try ResumePoint.newestWholeCheckpoint(in: directory.url, tell: tell) }
        let point = try ResumePoint(
            folder, settings, of: configuration, identity: identity, restoring: trained, tell: tell)
        resumed = point
        log = try MetricsLog(directory: directory.url, continuing: point.history)
    }

    /// Writes a log line when one is due.
    /// - Parameter force: write what has not been written.
    /// - Returns: the line.
    func logIfDue(_ state: inout RunState, force: Bool) throws(TrainingError) -> MetricsRecord? {
        let step = state.counters.globalStep
        guard state.counters.stepsSinceLog > 0, force || settings.isLogDue(step: step, of: extent.maxSteps) else {
            return nil
        }
        let record = state.takeLogLine()
        try append(record, "step \(step)")
        return record
    }

    /// Adds a line to `metrics.jsonl`.
    /// - Parameter name: what the file lacks when the line cannot be written.
    func append(_ record: MetricsRecord, _ name: String) throws(TrainingError) {
        try surviving("metrics.jsonl lacks \(name)") { () throws(TrainingError) in try log.append(record) }
    }

    /// Writes a checkpoint when one is due: on schedule, at the end, at the best step so far, and when the run was asked to
    /// stop. What comes at the end must succeed.
    /// - Parameters:
    ///   - best: the step whose checkpoint is kept, however many come after it.
    ///   - complete: adds what this kind of run needs to go on.
    func saveIfDue(
        _ state: inout RunState, isEpochEnd: Bool, isStopping: Bool, keeping best: Int? = nil,
        complete: (inout RunSnapshot) -> Void = { _ in }
    ) throws(TrainingError) {
        let step = state.counters.globalStep
        guard step > 0, step != state.savedStep,
            step == best
                || settings.isSaveDue(step: step, of: extent.maxSteps, isEpochEnd: isEpochEnd, isStopping: isStopping)
        else { return }
        var snapshot = state.snapshot(configuration: configuration, identity: identity)
        complete(&snapshot)
        let trainerState = state.trainerState(settings, extent, in: directory.url)
        var saved: URL?
        try surviving("step \(step) is not saved", unless: step >= extent.maxSteps || isStopping) {
            () throws(TrainingError) in
            try log.synchronize()
            saved = try directory.writeCheckpoint(
                step: step, keep: settings.saveTotalLimit, sparing: best, expectedBytes: trained.checkpointBytes
            ) { try write(trainerState, snapshot, to: $0) }
        }
        guard let saved else { return }
        state.savedStep = step
        tell(.saved(path: saved.path))
    }

    private func write(_ trainerState: TrainerState, _ snapshot: RunSnapshot, to folder: URL) throws {
        try trained.save(to: folder)
        try tokenizer.save(to: folder)
        try trainerState.json().write(to: folder.appending(path: TrainerState.fileName))
        guard !settings.saveOnlyModel else { return }
        try trained.saveOptimizer(to: folder)
        try JSONEncoder().encode(snapshot).write(to: folder.appending(path: RunSnapshot.fileName))
    }

    /// Does what needs the disk. With `on_save_failure: continue` a failure becomes a warning, unless nothing comes after it.
    private func surviving(
        _ loss: String, unless isLast: Bool = false, _ body: () throws(TrainingError) -> Void
    ) throws(TrainingError) {
        do {
            try body()
        } catch {
            guard settings.onSaveFailure == .continue, !isLast else { throw error }
            tell(.warning("\(error); \(loss) (on_save_failure: continue)"))
        }
    }
}
