import ApusTestSupport
import Foundation
import Testing

@testable import ApusTrain

/// What a run does when the checkpoint that it should go on from is not what it was.
struct DamagedCheckpointTests {
    enum Damage: String, CaseIterable {
        case flippedBit, truncated, missing

        func apply(to file: URL) throws {
            var data = try Data(contentsOf: file)
            switch self {
            case .flippedBit:
                data[data.count / 2] ^= 0x10
                try data.write(to: file)
            case .truncated: try data.prefix(data.count / 2).write(to: file)
            case .missing: try FileManager.default.removeItem(at: file)
            }
        }
    }

    static let files = [
        "adapter_model.safetensors", "optimizer.safetensors", "apus_state.json", "trainer_state.json", "tokenizer.json",
    ]

    private func finished(_ folder: TemporaryFolder) async throws -> ShortRun {
        let run = ShortRun(folder, steps: 3)
        try await run.run()
        return run
    }

    @Test(
        "Bad input 42: `true` goes back to the previous whole checkpoint and names the file", arguments: files,
        Damage.allCases)
    func fallsBack(file: String, damage: Damage) async throws {
        let folder = try TemporaryFolder()
        let whole = try await finished(folder)
        try damage.apply(to: whole.file(file, of: 3))
        var again = ShortRun(folder, steps: 3) { $0.output.resumeFromCheckpoint = "true" }
        again.policy = FakePolicy()
        try await again.run()
        #expect(again.recorder.warnings.count == 1)
        let warning = try #require(again.recorder.warnings.first)
        #expect(warning.contains("checkpoint-3 is damaged: \(file)") && warning.hasSuffix("going back to checkpoint-2"))
        #expect(again.policy.parameter == whole.policy.parameter && again.policy.moment == whole.policy.moment)
        #expect(SavedCheckpoint.fault(in: again.checkpoint(3)) == nil)
    }

    @Test(
        "Bad input 42: a path to a damaged checkpoint is refused with the newest whole one", arguments: files,
        Damage.allCases)
    func refuses(file: String, damage: Damage) async throws {
        let folder = try TemporaryFolder()
        let whole = try await finished(folder)
        try damage.apply(to: whole.file(file, of: 3))
        let again = ShortRun(folder, steps: 3) { $0.output.resumeFromCheckpoint = whole.checkpoint(3).path }
        let error = await #expect(throws: TrainingError.self) { try await again.run() }
        #expect(error?.isBadInput == true)
        let text = error?.description ?? ""
        #expect(text.contains("checkpoint-3 is no whole checkpoint: \(file)"), "\(text)")
        #expect(text.hasSuffix("the newest whole checkpoint is \(whole.checkpoint(2).path)"), "\(text)")
        #expect(!text.contains("\n"))
    }

    @Test("Bad input 42: a damaged manifest makes a checkpoint damaged", arguments: Damage.allCases)
    func damagedManifest(damage: Damage) async throws {
        let folder = try TemporaryFolder()
        let whole = try await finished(folder)
        try damage.apply(to: whole.file("apus_manifest.json", of: 3))
        let fault = try #require(SavedCheckpoint.fault(in: whole.checkpoint(3)))
        // A flipped bit in a digest looks like a change of the file whose digest it is.
        if damage != .flippedBit { #expect(fault.hasPrefix("apus_manifest.json ")) }
        let again = ShortRun(folder, steps: 3) { $0.output.resumeFromCheckpoint = "true" }
        try await again.run()
        #expect(again.recorder.warnings.first?.hasSuffix("going back to checkpoint-2") == true)
    }

    @Test("Bad input 42: several damaged checkpoints are each named; without a whole one the run does not begin")
    func allDamaged() async throws {
        let folder = try TemporaryFolder()
        let whole = try await finished(folder)
        try Damage.flippedBit.apply(to: whole.file("optimizer.safetensors", of: 3))
        try Damage.missing.apply(to: whole.file("apus_state.json", of: 2))
        let again = ShortRun(folder, steps: 3) { $0.output.resumeFromCheckpoint = "true" }
        try await again.run()
        #expect(again.recorder.warnings.count == 2)
        for step in 1...3 { try Damage.truncated.apply(to: whole.file("tokenizer.json", of: step)) }
        let error = await #expect(throws: TrainingError.self) {
            try await ShortRun(folder, steps: 3) { $0.output.resumeFromCheckpoint = "true" }.run()
        }
        for step in 1...3 {
            #expect(
                error?.description.contains("checkpoint-\(step) is damaged: tokenizer.json has 1 of 2 bytes") == true)
        }
    }

    @Test func filesThatWereAddedLaterDoNoHarm() async throws {
        let folder = try TemporaryFolder()
        let whole = try await finished(folder)
        try Data("# notes".utf8).write(to: whole.file("README.md", of: 3))
        #expect(SavedCheckpoint.fault(in: whole.checkpoint(3)) == nil)
    }

    @Test func theManifestHasTheDigestsThatOtherToolsCompute() async throws {
        let folder = try TemporaryFolder()
        let whole = try await finished(folder)
        let manifest = try CheckpointManifest(readingFrom: whole.checkpoint(3))
        // sha256sum of a file that holds {}.
        let empty = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
        #expect(manifest.files["tokenizer.json"] == .init(bytes: 2, sha256: empty))
        #expect(Set(manifest.files.keys) == Set(Self.files))
    }
}
