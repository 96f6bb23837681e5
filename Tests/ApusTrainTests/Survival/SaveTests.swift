import ApusFormats
import ApusTensor
import ApusTestSupport
import Foundation
import Testing

@testable import ApusTrain

/// Which checkpoints stay, and what a disk that refuses leaves.
struct SaveTests {
    @Test func onlyTheNewestAreKept() async throws {
        let folder = try TemporaryFolder()
        let run = ShortRun(folder, steps: 5) { $0.output.saveTotalLimit = 2 }
        try await run.run()
        #expect(run.checkpointNames == ["checkpoint-4", "checkpoint-5"])
    }

    @Test func theCheckpointThatARunWentOnFromStaysUntilANewerOneIsWhole() async throws {
        let folder = try TemporaryFolder()
        try await ShortRun(folder, steps: 2) { $0.output.saveTotalLimit = 1 }.run()
        let again = ShortRun(folder, steps: 4) {
            $0.output.saveTotalLimit = 1
            $0.output.resumeFromCheckpoint = "true"
        }
        again.policy.saveError = POSIXError(.ENOSPC)
        await #expect(throws: TrainingError.self) { try await again.run() }
        #expect(again.checkpointNames == ["checkpoint-2"])
        again.policy.saveError = nil
        try await again.run()
        #expect(again.checkpointNames == ["checkpoint-4"])
    }

    @Test("Bad input 48: which checkpoints stay does not depend on the clock")
    func stepsCountNotDates() async throws {
        let folder = try TemporaryFolder()
        try await ShortRun(folder, steps: 3).run()
        let future = Date(timeIntervalSinceNow: 1e6)
        for step in [1, 3] {
            try FileManager.default.setAttributes(
                [.modificationDate: future], ofItemAtPath: folder.url.appending(path: "checkpoint-\(step)").path)
        }
        // Going back to 2 leaves 3 behind: it goes first.
        let again = ShortRun(folder, steps: 4) {
            $0.output.resumeFromCheckpoint = folder.url.path + "/checkpoint-2"
            $0.output.saveTotalLimit = 2
        }
        try await again.run()
        #expect(again.checkpointNames == ["checkpoint-3", "checkpoint-4"])
        #expect(again.policy.optimizerSteps.map(\.step) == [3, 4])
    }

    @Test func onlyTheModel() async throws {
        let folder = try TemporaryFolder()
        let run = ShortRun(folder, steps: 1) { $0.output.saveOnlyModel = true }
        try await run.run()
        let files = try FileManager.default.contentsOfDirectory(atPath: run.checkpoint(1).path)
        #expect(
            files.sorted() == [
                "adapter_model.safetensors", "apus_manifest.json", "tokenizer.json", "trainer_state.json",
            ])
        for path in ["true", run.checkpoint(1).path] {
            let again = ShortRun(folder, steps: 2) { $0.output.resumeFromCheckpoint = path }
            let error = await #expect(throws: TrainingError.self) { try await again.run() }
            #expect(error?.description.contains("holds what was trained alone (save_only_model)") == true)
        }
    }

    @Test("Bad input 34: a disk that is too small for the first checkpoint is told about how much that takes")
    func aSmallDisk() async throws {
        let folder = try TemporaryFolder()
        let run = ShortRun(folder, steps: 3)
        run.policy.checkpointBytes = 300 << 20
        run.policy.saveError = POSIXError(.ENOSPC)
        let error = await #expect(throws: TrainingError.self) { try await run.run() }
        let text = error?.description ?? ""
        #expect(text.contains("no space left on the device (a checkpoint takes about 300.0 MiB, "), "\(text)")
    }

    @Test("Bad input 34: a full disk leaves earlier checkpoints alone and says what is needed")
    func aFullDisk() async throws {
        let folder = try TemporaryFolder()
        let run = ShortRun(folder, steps: 3)
        run.policy.checkpointBytes = 300 << 20
        nonisolated(unsafe) let policy = run.policy  // The callback runs on the thread that trains.
        let error = await #expect(throws: TrainingError.self) {
            try await run.run { step in if step == 2 { policy.saveError = POSIXError(.ENOSPC) } }
        }
        #expect(error?.code == .output && error?.isBadInput == false)
        let text = error?.description ?? ""
        #expect(text.contains("no space left on the device (a checkpoint takes about 5 KiB, "), "\(text)")
        #expect(text.hasSuffix("earlier checkpoints are intact"), "\(text)")
        #expect(folder.names == [".apus.lock", "checkpoint-1", "metrics.jsonl"])
        #expect(SavedCheckpoint.fault(in: run.checkpoint(1)) == nil)
    }

    @Test("Bad input 34: with on_save_failure continue a run goes on to the next save")
    func aFullDiskThatEmpties() async throws {
        let folder = try TemporaryFolder()
        let run = ShortRun(folder, steps: 4) { $0.output.onSaveFailure = .continue }
        nonisolated(unsafe) let policy = run.policy  // The callback runs on the thread that trains.
        try await run.run { step in policy.saveError = step == 2 ? POSIXError(.ENOSPC) : nil }
        #expect(run.checkpointNames == ["checkpoint-1", "checkpoint-3", "checkpoint-4"])
        #expect(run.recorder.warnings.count == 1)
        #expect(run.recorder.warnings[0].contains("step 2 is not saved (on_save_failure: continue)"))
    }

    @Test("Bad input 34: the last save of a run must succeed")
    func theLastSave() async throws {
        let folder = try TemporaryFolder()
        let run = ShortRun(folder, steps: 2) { $0.output.onSaveFailure = .continue }
        run.policy.saveError = POSIXError(.ENOSPC)
        let error = await #expect(throws: TrainingError.self) { try await run.run() }
        #expect(error?.code == .output)
        #expect(run.checkpointNames.isEmpty)
    }

    @Test("Bad input 35: what a save that was killed left is removed, what it moved aside comes back")
    func remnants() throws {
        let folder = try TemporaryFolder()
        let left = [
            ".checkpoint-draft-7", ".checkpoint-draft-removed-2", ".checkpoint-draft-replaced-checkpoint-5",
            ".checkpoint-draft-replaced-checkpoint-6", "checkpoint-6",
        ]
        for name in left {
            let url = folder.url.appending(path: name)
            try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
            try Data(name.utf8).write(to: url.appending(path: "file"))
        }
        withExtendedLifetime(try RunDirectory(path: folder.url.path)) {}
        #expect(folder.names == [".apus.lock", "checkpoint-5", "checkpoint-6"])
        #expect(try Data(contentsOf: folder.url.appending(path: "checkpoint-6/file")) == Data("checkpoint-6".utf8))
    }

    @Test("Bad input 35: a damaged checkpoint of the same step is replaced by a whole one")
    func replaced() async throws {
        let folder = try TemporaryFolder()
        let old = folder.url.appending(path: "checkpoint-1")
        try FileManager.default.createDirectory(at: old, withIntermediateDirectories: true)
        try Data("old".utf8).write(to: old.appending(path: "old"))
        let run = ShortRun(folder, steps: 1)
        try await run.run()
        #expect(SavedCheckpoint.fault(in: old) == nil)
        #expect(!FileManager.default.fileExists(atPath: old.appending(path: "old").path))
    }

    @Test("Bad input 43: a file that is mapped keeps its content when it is written anew")
    func mappedFiles() throws {
        let folder = try TemporaryFolder()
        let url = folder.url.appending(path: "adapter_model.safetensors")
        let values: [Float] = Array(repeating: 1, count: 4096)
        var writer = SafetensorsWriter()
        writer.append("w", shape: [4096], .f32(values))
        try writer.write(to: url)
        let mapped = try SafetensorsFile(path: url.path)
        writer.tensors[0].elements = .f32(values.map { _ in 2 })
        try writer.write(to: url)
        try Data().write(to: folder.url.appending(path: "other"))
        let one = withUnsafeBytes(of: Float(1).bitPattern.littleEndian) { Array($0) }
        #expect(Array(try mapped.readBytes("w").prefix(4)) == one)
        #expect(Array(try SafetensorsFile(path: url.path).readBytes("w").prefix(4)) != one)
    }

    @Test("Bad input 40: a second run in the same folder is refused with the process that has it")
    func twoRuns() throws {
        let folder = try TemporaryFolder()
        let first = try RunDirectory(path: folder.url.path)
        let error = #expect(throws: TrainingError.self) { _ = try RunDirectory(path: folder.url.path) }
        #expect(error?.code == .outputFolder && error?.isBadInput == true)
        let owner = ProcessInfo.processInfo.processIdentifier
        #expect(error?.description.contains("is in use by another run, process \(owner): choose another") == true)
        withExtendedLifetime(first) {}
    }

    @Test("Bad input 40: the lock of a process that is gone is free")
    func staleLock() throws {
        let folder = try TemporaryFolder()
        _ = try folder.write(Data("999999\n".utf8), as: ".apus.lock")
        _ = try RunDirectory(path: folder.url.path)
    }
}
