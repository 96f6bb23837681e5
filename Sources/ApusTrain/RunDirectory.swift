import ApusFormats
import Foundation

/// The output folder of a run. One run at a time owns it; checkpoints appear in it complete or not at all.
final class RunDirectory {
    let url: URL
    /// Holds the advisory lock on the folder.
    let lock: FileHandle

    /// Creates the folder if needed and takes its lock.
    /// - Throws: ``TrainingError`` with code `outputFolder`.
    init(path: String) throws(TrainingError) {
        url = URL(filePath: path, directoryHint: .isDirectory)
        let lockURL = url.appending(path: ".apus.lock")
        do {
            try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
            if !FileManager.default.fileExists(atPath: lockURL.path) { try Data().write(to: lockURL) }
            lock = try FileHandle(forUpdating: lockURL)
        } catch {
            throw TrainingError(
                .outputFolder,
                "output_dir: cannot create or write \(path): \(fileErrorReason(error)); choose another folder")
        }
        guard flock(lock.fileDescriptor, LOCK_EX | LOCK_NB) == 0 else {
            throw TrainingError(
                .outputFolder, "output_dir: \(path) is in use by another run: choose another folder or stop that run")
        }
        // A program that a reward function starts, and that outlives the run, must not hold the lock.
        _ = fcntl(lock.fileDescriptor, F_SETFD, FD_CLOEXEC)
        removeRemnants()
    }

    /// Gives the lock back by name: closing the file leaves it with a child process that has not replaced itself yet.
    deinit {
        flock(lock.fileDescriptor, LOCK_UN)
    }

    /// Writes `checkpoint-<step>` under a temporary name and renames it once every file is on disk.
    /// - Parameter keep: how many checkpoints to leave, `nil` for all.
    func writeCheckpoint(step: Int, keep: Int?, _ write: (URL) throws -> Void) throws(TrainingError) -> URL {
        let target = url.appending(path: Self.prefix + "\(step)", directoryHint: .isDirectory)
        let draft = url.appending(path: Self.draftPrefix + "\(step)", directoryHint: .isDirectory)
        do {
            try FileManager.default.createDirectory(at: draft, withIntermediateDirectories: false)
            try write(draft)
            try synchronize(folder: draft)
            try replace(target, by: draft)
            try synchronize(path: url.path)
        } catch {
            try? FileManager.default.removeItem(at: draft)
            throw Self.failure("save \(target.path)", error)
        }
        if let keep { removeOldest(keep: keep, except: target) }
        return target
    }

    /// The checkpoint with the highest step in an output folder, if it holds one.
    static func newestCheckpoint(in url: URL) -> URL? {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []
        let newest = names.compactMap(step).max()
        return newest.map { url.appending(path: prefix + "\($0)", directoryHint: .isDirectory) }
    }

    /// What went wrong with a file, in one line.
    static func failure(_ action: String, _ error: any Error) -> TrainingError {
        TrainingError(
            .output,
            "cannot \(action): \(fileErrorReason(error)); nothing half-written is left, earlier checkpoints are intact")
    }

    private static let prefix = "checkpoint-"

    /// The step in a checkpoint folder's name.
    private static func step(_ name: String) -> Int? {
        name.hasPrefix(prefix) ? Int(name.dropFirst(prefix.count)) : nil
    }

    private static let draftPrefix = ".checkpoint-draft-"

    /// Removes what a run that was killed in the middle of a save left behind.
    private func removeRemnants() {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []
        for name in names where name.hasPrefix(Self.draftPrefix) {
            try? FileManager.default.removeItem(at: url.appending(path: name))
        }
    }

    /// Renames a finished draft to its name. A checkpoint of that name from an earlier run moves aside first, under a name
    /// that the next run clears.
    private func replace(_ target: URL, by draft: URL) throws {
        let manager = FileManager.default
        guard manager.fileExists(atPath: target.path) else { return try manager.moveItem(at: draft, to: target) }
        let aside = url.appending(path: Self.draftPrefix + "replaced-" + target.lastPathComponent)
        try? manager.removeItem(at: aside)
        try manager.moveItem(at: target, to: aside)
        do {
            try manager.moveItem(at: draft, to: target)
        } catch {
            try? manager.moveItem(at: aside, to: target)
            throw error
        }
        try? manager.removeItem(at: aside)
    }

    private func removeOldest(keep: Int, except newest: URL) {
        let manager = FileManager.default
        let names = (try? manager.contentsOfDirectory(atPath: url.path)) ?? []
        let dated = names.filter { name in
            Self.step(name) != nil && name != newest.lastPathComponent
        }.map { name in
            let path = url.appending(path: name).path
            let date = (try? manager.attributesOfItem(atPath: path))?[.modificationDate] as? Date
            return (path: path, date: date ?? .distantPast)
        }.sorted { $0.date < $1.date }
        for checkpoint in dated.dropLast(max(keep - 1, 0)) { try? manager.removeItem(atPath: checkpoint.path) }
    }

    /// Puts every file of a folder, then the folder itself, on disk: a rename must never be seen before what it names.
    private func synchronize(folder: URL) throws {
        let names = try FileManager.default.subpathsOfDirectory(atPath: folder.path)
        for name in names { try synchronize(path: folder.appending(path: name).path) }
        try synchronize(path: folder.path)
    }

    private func synchronize(path: String) throws {
        let descriptor = open(path, O_RDONLY)
        guard descriptor >= 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
    }
}
