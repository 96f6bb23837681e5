import ApusData
import ApusFormats
import Foundation

/// The checkpoint that a run goes on from, read and found to be of the same run.
struct ResumePoint {
    let folder: URL
    let snapshot: RunSnapshot
    let history: [MetricsRecord]
    /// Whether it is of another run all the same, and `force_resume` goes on from it.
    let isOfAnotherRun: Bool

    /// Reads a checkpoint and puts the parameters and the optimizer where it left them.
    /// - Parameters:
    ///   - configuration: this run's settings, all of them.
    ///   - identity: what this run is made of, see ``RunIdentity``.
    init(
        _ folder: URL, _ settings: OutputSettings, of configuration: any DeclaredSettings,
        identity: [String: JSONValue], restoring trained: any TrainedParameters, tell: (TrainingEvent) -> Void
    ) throws(TrainingError) {
        guard SavedCheckpoint.holdsRun(folder) else {
            throw Self.refusal(
                "\(folder.path) holds \(SavedCheckpoint.modelAlone); to train it further begin from it: an adapter as "
                    + "adapter, a model as model_name_or_path")
        }
        self.folder = folder
        snapshot = try Self.read(RunSnapshot.fileName, in: folder)
        let differences = snapshot.differences(
            from: configuration.members, identity, effects: type(of: configuration).resumeEffects)
        try Self.judge(differences, folder, isForced: settings.forceResume, tell)
        isOfAnotherRun = !differences.refused.isEmpty
        let log: TrainerState.LogHistory = try Self.read(TrainerState.fileName, in: folder)
        history = log.records
        do {
            try trained.restore(from: folder)
        } catch {
            throw Self.refusal(
                "\(folder.path) cannot be read: \(fileErrorReason(error)); it is of another model or adapter")
        }
        tell(.notice("goes on after step \(snapshot.counters.globalStep) of \(folder.path)"))
    }

    /// The folder that `resume_from_checkpoint` names, found whole; `nil` when it names none or the newest.
    static func namedCheckpoint(_ settings: OutputSettings) throws(TrainingError) -> URL? {
        guard let path = settings.resumeFromCheckpoint else { return nil }
        let output = URL(filePath: settings.outputDir, directoryHint: .isDirectory)
        guard path != SavedCheckpoint.newest else {
            if SavedCheckpoint.all(in: output).isEmpty {
                throw refusal("output_dir \(output.path) holds no checkpoint; start without this setting")
            }
            return nil
        }
        let folder = URL(filePath: path, directoryHint: .isDirectory)
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: folder.path, isDirectory: &isFolder), isFolder.boolValue else {
            throw refusal("\(path): no such folder; check the path")
        }
        guard let fault = SavedCheckpoint.fault(in: folder) else { return folder }
        let others = SavedCheckpoint.all(in: folder.deletingLastPathComponent()).filter { $0.url.path != folder.path }
        let whole = others.first { SavedCheckpoint.holdsRun($0.url) && SavedCheckpoint.fault(in: $0.url) == nil }
        let advice =
            whole.map { "the newest whole checkpoint is \($0.url.path)" } ?? "there is no other whole checkpoint"
        throw refusal("\(folder.path) is no whole checkpoint: \(fault); \(advice)")
    }

    /// The newest checkpoint of an output folder whose files are all as they were written. Says what is wrong with those that
    /// it passes over.
    static func newestWholeCheckpoint(
        in folder: URL, tell: (TrainingEvent) -> Void
    ) throws(TrainingError) -> URL {
        var faults: [String] = []
        for checkpoint in SavedCheckpoint.all(in: folder) {
            let name = checkpoint.url.lastPathComponent
            guard SavedCheckpoint.holdsRun(checkpoint.url) else {
                faults.append("\(name) holds \(SavedCheckpoint.modelAlone)")
                continue
            }
            guard let fault = SavedCheckpoint.fault(in: checkpoint.url) else {
                for fault in faults { tell(.warning("resume_from_checkpoint: \(fault); going back to \(name)")) }
                return checkpoint.url
            }
            faults.append("\(name) is damaged: \(fault)")
        }
        throw refusal(
            "output_dir \(folder.path) holds no whole checkpoint: \(faults.joined(separator: ", ")); "
                + "start without this setting, in another output_dir")
    }

    private static func refusal(_ text: String) -> TrainingError {
        TrainingError(.resume, "resume_from_checkpoint: \(text)")
    }

    private static func read<Contents: Decodable>(_ name: String, in folder: URL) throws(TrainingError) -> Contents {
        do {
            return try JSONDecoder().decode(Contents.self, from: Data(contentsOf: folder.appending(path: name)))
        } catch {
            throw refusal(
                "\(folder.path): \(name) cannot be read: \(fileErrorReason(error)); give a checkpoint-N folder that this "
                    + "version of Apus wrote")
        }
    }

    private static func judge(
        _ differences: RunDifferences, _ folder: URL, isForced: Bool, _ tell: (TrainingEvent) -> Void
    ) throws(TrainingError) {
        func list(_ differences: [RunDifferences.Difference]) -> String {
            differences.map(\.description).joined(separator: ", ")
        }
        if !differences.refused.isEmpty {
            guard isForced else {
                throw refusal(
                    "\(folder.path) is of another run: \(list(differences.refused)); give what it was made with, or "
                        + "force_resume: true to go on all the same")
            }
            tell(
                .warning(
                    "force_resume: goes on from another run's checkpoint: \(list(differences.refused)); the result is "
                        + "neither run's"))
        }
        guard !differences.noticed.isEmpty else { return }
        tell(.notice("goes on with other settings than before: \(list(differences.noticed))"))
    }
}
