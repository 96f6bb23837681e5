import ApusData
import ApusFormats
import Foundation

extension GRPOTrainer {
    /// Takes the output folder, and goes to the checkpoint that the run continues, if it does.
    func openOutput() throws(TrainingError) {
        // Before the folder is created: a wrong path must not leave one behind.
        let named = try namedCheckpoint()
        identity = RunIdentity.entries(policy: policy, dataset: dataset, rewards: rewards)
        let directory = try RunDirectory(path: configuration.outputDir)
        self.directory = directory
        guard configuration.resumeFromCheckpoint != nil else {
            if let earlier = RunDirectory.newestCheckpoint(in: directory.url) {
                onEvent?(
                    .warning("output_dir holds \(earlier.lastPathComponent) of an earlier run; this run starts afresh"))
            }
            metricsLog = try MetricsLog(directory: directory.url)
            return
        }
        // Under the lock: no other run changes the folder now.
        let checkpoint = if let named { named } else { try newestWholeCheckpoint(in: directory.url) }
        try resume(from: checkpoint)
        onEvent?(.notice("goes on after step \(state.globalStep) of \(checkpoint.path)"))
        metricsLog = try MetricsLog(directory: directory.url, continuing: state.history)
    }

    /// The folder that `resume_from_checkpoint` names, found whole; `nil` when it names none or the newest.
    private func namedCheckpoint() throws(TrainingError) -> URL? {
        guard let path = configuration.resumeFromCheckpoint else { return nil }
        let output = URL(filePath: configuration.outputDir, directoryHint: .isDirectory)
        guard path != GRPOConfiguration.newestCheckpoint else {
            if SavedCheckpoint.all(in: output).isEmpty {
                throw Self.refusal("output_dir \(output.path) holds no checkpoint; start without this setting")
            }
            return nil
        }
        let folder = URL(filePath: path, directoryHint: .isDirectory)
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: folder.path, isDirectory: &isFolder), isFolder.boolValue else {
            throw Self.refusal("\(path): no such folder; check the path")
        }
        guard let fault = SavedCheckpoint.fault(in: folder) else { return folder }
        let others = SavedCheckpoint.all(in: folder.deletingLastPathComponent()).filter { $0.url.path != folder.path }
        let whole = others.first { SavedCheckpoint.holdsRun($0.url) && SavedCheckpoint.fault(in: $0.url) == nil }
        let advice =
            whole.map { "the newest whole checkpoint is \($0.url.path)" } ?? "there is no other whole checkpoint"
        throw Self.refusal("\(folder.path) is no whole checkpoint: \(fault); \(advice)")
    }

    /// The newest checkpoint of the output folder whose files are all as they were written. Says what is wrong with those
    /// that it passes over.
    private func newestWholeCheckpoint(in folder: URL) throws(TrainingError) -> URL {
        var faults: [String] = []
        for checkpoint in SavedCheckpoint.all(in: folder) {
            let name = checkpoint.url.lastPathComponent
            guard SavedCheckpoint.holdsRun(checkpoint.url) else {
                faults.append("\(name) holds the adapter alone (save_only_model)")
                continue
            }
            guard let fault = SavedCheckpoint.fault(in: checkpoint.url) else {
                for fault in faults { onEvent?(.warning("resume_from_checkpoint: \(fault); going back to \(name)")) }
                return checkpoint.url
            }
            faults.append("\(name) is damaged: \(fault)")
        }
        throw Self.refusal(
            "output_dir \(folder.path) holds no whole checkpoint: \(faults.joined(separator: ", ")); "
                + "start without this setting, in another output_dir")
    }

    private static func refusal(_ text: String) -> TrainingError {
        TrainingError(.resume, "resume_from_checkpoint: \(text)")
    }

    /// Puts the run where a checkpoint left it: parameters, moments, counters, log and the generation batch in use.
    ///
    /// The continuation computes what the uninterrupted run would have computed.
    private func resume(from folder: URL) throws(TrainingError) {
        guard SavedCheckpoint.holdsRun(folder) else {
            throw Self.refusal(
                "\(folder.path) holds the adapter alone (save_only_model); to train it further give it as adapter")
        }
        let snapshot: RunSnapshot = try read(RunSnapshot.fileName, in: folder)
        let differences = snapshot.differences(from: configuration, identity)
        try judge(differences, folder)
        let log: TrainerState.LogHistory = try read(TrainerState.fileName, in: folder)
        do {
            try policy.restore(from: folder)
        } catch {
            throw Self.refusal(
                "\(folder.path) cannot be read: \(fileErrorReason(error)); it is of another model or adapter")
        }
        state.history = log.records
        state.counters = snapshot.counters
        state.gradientNorm = snapshot.gradientNorm ?? .nan
        state.learningRate = snapshot.learningRate
        state.savedStep = snapshot.counters.globalStep
        state.entropy = snapshot.entropy
        state.metrics = snapshot.window
        generation = snapshot.generation?.batch
        if !differences.refused.isEmpty { realign() }
    }

    private func read<Contents: Decodable>(_ name: String, in folder: URL) throws(TrainingError) -> Contents {
        do {
            return try JSONDecoder().decode(Contents.self, from: Data(contentsOf: folder.appending(path: name)))
        } catch {
            throw Self.refusal(
                "\(folder.path): \(name) cannot be read: \(fileErrorReason(error)); give a checkpoint-N folder that this "
                    + "version of Apus wrote")
        }
    }

    private func judge(_ differences: RunDifferences, _ folder: URL) throws(TrainingError) {
        func list(_ differences: [RunDifferences.Difference]) -> String {
            differences.map(\.description).joined(separator: ", ")
        }
        if !differences.refused.isEmpty {
            guard configuration.forceResume else {
                throw Self.refusal(
                    "\(folder.path) is of another run: \(list(differences.refused)); give what it was made with, or "
                        + "force_resume: true to go on all the same")
            }
            onEvent?(
                .warning(
                    "force_resume: goes on from another run's checkpoint: \(list(differences.refused)); the result is "
                        + "neither run's"))
        }
        guard !differences.noticed.isEmpty else { return }
        onEvent?(.notice("goes on with other settings than before: \(list(differences.noticed))"))
    }

    /// After a forced continuation the batches may be cut differently: the run goes on at the beginning of its next optimizer
    /// step under the new sizes, with completions of its own.
    private func realign() {
        let (epoch, step) = state.globalStep.quotientAndRemainder(dividingBy: plan.stepsPerEpoch)
        state.microStep = epoch * plan.microStepsPerEpoch + step * plan.batch.accumulationSteps
        generation = nil
    }
}
