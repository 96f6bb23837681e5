import ApusFormats
import Foundation

/// The output folder of a run. One run at a time owns it; checkpoints appear in it complete or not at all.
final class RunDirectory {
    let url: URL
    /// Says that the folder is taken; its file holds the number of the process that has it.
    private let lock: FileLock

    /// Creates the folder if needed and takes its lock.
    /// - Throws: ``TrainingError`` with code `outputFolder`.
    init(path: String) throws(TrainingError) {
        url = URL(filePath: path, directoryHint: .isDirectory)
        let lockURL = url.appending(path: ".apus.lock")
        let taken: FileLock?
        do {
            try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
            taken = try FileLock.attempt(lockURL.path)
        } catch {
            throw TrainingError(
                .outputFolder,
                "output_dir: cannot create or write \(path): \(fileErrorReason(error)); choose another folder")
        }
        guard let taken else { throw Self.inUse(path, lockURL) }
        lock = taken
        // Only for the message of a second run: a disk that is full is no reason to stop here.
        let file = FileHandle(fileDescriptor: lock.descriptor, closeOnDealloc: false)
        try? file.truncate(atOffset: 0)
        try? file.write(contentsOf: Data("\(ProcessInfo.processInfo.processIdentifier)\n".utf8))
        removeRemnants()
    }

    /// The error of a second run. What the file says of an owner is only read when the lock is taken.
    private static func inUse(_ path: String, _ lockURL: URL) -> TrainingError {
        let text = (try? String(contentsOf: lockURL, encoding: .utf8)) ?? ""
        let owner = Int(text.prefix { $0.isNumber }).map { "another run, process \($0)" } ?? "another run"
        return TrainingError(
            .outputFolder, "output_dir: \(path) is in use by \(owner): choose another folder or stop that run")
    }

    /// Writes `checkpoint-<step>` under a temporary name, with a manifest of its files, and renames it once every file is on
    /// disk.
    /// - Parameters:
    ///   - keep: how many checkpoints to leave, `nil` for all. Others go only when the new one is complete.
    ///   - best: the step of one that stays, whatever its age.
    ///   - expectedBytes: about what it will take, to be told when the disk is full and there is no other to go by.
    func writeCheckpoint(
        step: Int, keep: Int?, sparing best: Int? = nil, expectedBytes: Int? = nil, _ write: (URL) throws -> Void
    ) throws(TrainingError) -> URL {
        let target = SavedCheckpoint.url(step: step, in: url)
        let draft = url.appending(path: Self.draftPrefix + "\(step)", directoryHint: .isDirectory)
        do {
            try? FileManager.default.removeItem(at: draft)
            try FileManager.default.createDirectory(at: draft, withIntermediateDirectories: false)
            try write(draft)
            try CheckpointManifest(of: draft).write(to: draft)
            try synchronizeFolder(draft.path)
            // A checkpoint of that name from an earlier run moves aside under a name that the next run clears.
            try replaceFolder(
                target, by: draft, aside: url.appending(path: Self.asidePrefix + target.lastPathComponent))
            try synchronizeFile(url.path)
        } catch {
            let shortage = shortage(error, expectedBytes)
            try? FileManager.default.removeItem(at: draft)
            throw Self.failure("save \(target.path)", error, shortage)
        }
        if let keep { removeOthers(keep: keep, than: step, sparing: best) }
        return target
    }

    /// The checkpoint with the highest step in an output folder, if it holds one.
    static func newestCheckpoint(in url: URL) -> URL? { SavedCheckpoint.all(in: url).first?.url }

    /// What went wrong with a file, in one line.
    static func failure(_ action: String, _ error: any Error, _ detail: String = "") -> TrainingError {
        TrainingError(
            .output,
            "cannot \(action): \(fileErrorReason(error))\(detail); nothing half-written is left, earlier checkpoints are "
                + "intact")
    }

    /// What a full disk would have needed: about as much as the newest checkpoint takes.
    private func shortage(_ error: any Error, _ expectedBytes: Int?) -> String {
        let newest = SavedCheckpoint.all(in: url).first.flatMap { try? CheckpointManifest(readingFrom: $0.url) }
        guard let needed = newest?.totalBytes ?? expectedBytes, let available = DiskSpace.available(at: url),
            DiskSpace.isShortage(error) || available < needed
        else { return "" }
        return " (a checkpoint takes about \(DiskSpace.describe(bytes: needed)), "
            + "\(DiskSpace.describe(bytes: available)) are free)"
    }

    private static let draftPrefix = ".checkpoint-draft-"
    private static let asidePrefix = draftPrefix + "replaced-"

    /// Removes what a run that was killed in the middle of a save left behind. A checkpoint that was moved aside for a new
    /// one that never came goes back to its place.
    private func removeRemnants() {
        let manager = FileManager.default
        let names = (try? manager.contentsOfDirectory(atPath: url.path)) ?? []
        for name in names where name.hasPrefix(Self.draftPrefix) {
            let remnant = url.appending(path: name)
            if name.hasPrefix(Self.asidePrefix) {
                let place = url.appending(path: name.dropFirst(Self.asidePrefix.count))
                if !manager.fileExists(atPath: place.path), (try? manager.moveItem(at: remnant, to: place)) != nil {
                    continue
                }
            }
            try? manager.removeItem(at: remnant)
        }
    }

    /// Leaves the new checkpoint and the newest ones before it. Those of higher steps are of a run that was left behind when
    /// this one went back or began anew: they go first, whatever the clock said when they were written.
    private func removeOthers(keep: Int, than step: Int, sparing best: Int?) {
        let others = SavedCheckpoint.all(in: url).filter { $0.step != step }
        let byAge = others.filter { $0.step < step } + others.filter { $0.step > step }.reversed()
        let byWorth = byAge.filter { $0.step == best } + byAge.filter { $0.step != best }
        // The best one stays beside the last also where a single one is to be kept, as Transformers has it.
        let kept = max(keep - 1, byWorth.first?.step == best ? 1 : 0)
        for checkpoint in byWorth.dropFirst(kept) { remove(checkpoint) }
    }

    /// Removes a checkpoint under another name, so that a kill in between leaves no half of one.
    private func remove(_ checkpoint: SavedCheckpoint) {
        let manager = FileManager.default
        let doomed = url.appending(path: Self.draftPrefix + "removed-\(checkpoint.step)")
        try? manager.removeItem(at: doomed)
        guard (try? manager.moveItem(at: checkpoint.url, to: doomed)) != nil else { return }
        try? manager.removeItem(at: doomed)
    }
}
