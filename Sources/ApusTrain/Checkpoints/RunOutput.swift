import ApusData
import Foundation

/// What a run writes, under the lock on its output folder: log lines and checkpoints.
final class RunOutput {
    /// The output folder.
    let directory: RunDirectory
    /// The checkpoint that the run goes on from, if it does.
    let resumed: ResumePoint?
    private let settings: any OutputSettings
    private let log: MetricsLog
    private let tell: (TrainingEvent) -> Void

    /// Takes the output folder, and finds and restores the checkpoint that the run continues, if it does.
    /// - Parameters:
    ///   - configuration: the run's settings, by key.
    ///   - identity: what the run is made of, see ``RunIdentity``.
    ///   - trained: is put where the checkpoint left it.
    init<Settings: OutputSettings>(
        _ settings: Settings, configuration: [String: JSONValue], identity: [String: JSONValue],
        restoring trained: any TrainedParameters, tell: @escaping (TrainingEvent) -> Void
    ) throws(TrainingError) {
        // Before the folder is created: a wrong path must not leave one behind.
        let named = try ResumePoint.namedCheckpoint(settings)
        let directory = try RunDirectory(path: settings.outputDir)
        self.directory = directory
        self.settings = settings
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
            folder, settings, configuration: configuration, identity: identity, restoring: trained, tell: tell)
        resumed = point
        log = try MetricsLog(directory: directory.url, continuing: point.history)
    }

    /// Adds a line to `metrics.jsonl`.
    /// - Parameter name: what the file lacks when the line cannot be written.
    func append(_ record: MetricsRecord, _ name: String) throws(TrainingError) {
        try surviving("metrics.jsonl lacks \(name)") { () throws(TrainingError) in try log.append(record) }
    }

    /// Writes a checkpoint.
    /// - Parameter isLast: whether the run ends here; this save must succeed.
    /// - Returns: whether it is there.
    func save(_ contents: CheckpointContents, isLast: Bool) throws(TrainingError) -> Bool {
        let step = contents.state.globalStep
        var isSaved = false
        try surviving("step \(step) is not saved", unless: isLast) { () throws(TrainingError) in
            try log.synchronize()
            let url = try directory.writeCheckpoint(
                step: step, keep: settings.saveTotalLimit, expectedBytes: contents.trained.checkpointBytes,
                contents.write)
            isSaved = true
            tell(.saved(path: url.path))
        }
        return isSaved
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

/// What goes into a checkpoint.
struct CheckpointContents {
    let trained: any TrainedParameters
    let tokenizer: any PromptTokenizer
    let state: TrainerState
    /// `nil` with `save_only_model`.
    let snapshot: RunSnapshot?

    func write(to folder: URL) throws {
        try trained.save(to: folder)
        try tokenizer.save(to: folder)
        try state.json().write(to: folder.appending(path: TrainerState.fileName))
        guard let snapshot else { return }
        try trained.saveOptimizer(to: folder)
        try JSONEncoder().encode(snapshot).write(to: folder.appending(path: RunSnapshot.fileName))
    }
}
