import Foundation

/// A `checkpoint-<step>` folder of an output folder.
struct SavedCheckpoint: Equatable {
    static let prefix = "checkpoint-"

    /// The value of `resume_from_checkpoint` that stands for the newest checkpoint in `output_dir`.
    static let newest = "true"

    let url: URL
    let step: Int

    /// A folder by that name; `nil` when the name is another one.
    init?(_ url: URL) {
        let name = url.lastPathComponent
        guard name.hasPrefix(Self.prefix), let step = Int(name.dropFirst(Self.prefix.count)) else { return nil }
        self.url = url
        self.step = step
    }

    /// The checkpoints of an output folder, the highest step first.
    static func all(in folder: URL) -> [SavedCheckpoint] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return names.compactMap { SavedCheckpoint(folder.appending(path: $0, directoryHint: .isDirectory)) }
            .sorted { $0.step > $1.step }
    }

    /// Where the folder of `step` lies, or would.
    static func url(step: Int, in folder: URL) -> URL {
        folder.appending(path: prefix + "\(step)", directoryHint: .isDirectory)
    }

    /// What is wrong with a checkpoint's files; `nil` when every one is as it was written.
    static func fault(in folder: URL) -> String? {
        let manifest = folder.appending(path: CheckpointManifest.fileName)
        guard FileManager.default.fileExists(atPath: manifest.path) else {
            return "\(CheckpointManifest.fileName) is missing"
        }
        guard let contents = try? CheckpointManifest(readingFrom: folder) else {
            return "\(CheckpointManifest.fileName) cannot be read"
        }
        return contents.fault(in: folder)
    }

    /// What a checkpoint that no run can go on from holds.
    static let modelAlone = "what was trained alone (save_only_model)"

    /// Whether it holds what a run needs to go on: with `save_only_model` a checkpoint is what was trained alone.
    static func holdsRun(_ folder: URL) -> Bool {
        let state = folder.appending(path: RunSnapshot.fileName)
        if FileManager.default.fileExists(atPath: state.path) { return true }
        return (try? CheckpointManifest(readingFrom: folder))?.files[RunSnapshot.fileName] != nil
    }
}
