import ApusTestSupport
import Foundation
import Testing

/// What the built program says to a continuation that cannot be.
@Suite(.serialized) struct ContinuationTests {
    private let run: TinyRun

    init() throws {
        run = try TinyRun()
        let outcome = try Program.run(run.arguments(steps: 2))
        try #require(outcome.status == 0, "\(outcome.errors)")
    }

    private func resume(_ more: [String], from checkpoint: String = "true") throws -> Program.Outcome {
        try Program.run(run.arguments(steps: 3, ["--resume_from_checkpoint", checkpoint] + more))
    }

    @Test("Bad input 41: another rank, data set and seed end with status 2 and one line that lists them")
    func anotherRun() throws {
        let outcome = try resume(["--lora_r", "8", "--dataset_size", "21", "--seed", "5"])
        #expect(outcome.status == 2 && outcome.errorLines.count == 1, "\(outcome.errors)")
        for part in ["dataset (20 rows, ", "lora_r (4 before, 8 now)", "seed (42 before, 5 now)"] {
            #expect(outcome.errors.contains(part), "\(outcome.errors)")
        }
        #expect(run.checkpoints == ["checkpoint-1", "checkpoint-2"])
    }

    @Test("Bad input 41: another model is refused by its hash, and --force goes on")
    func anotherModel() throws {
        let copy = run.folder.url.appending(path: "model")
        try FileManager.default.copyItem(at: Fixture.url("base96-slips"), to: copy)
        let weights = copy.appending(path: "model.safetensors")
        var data = try Data(contentsOf: weights)
        data[data.count - 100] ^= 1
        try FileManager.default.removeItem(at: weights)
        try data.write(to: weights)
        let outcome = try resume(["--model", copy.path])
        #expect(outcome.status == 2 && outcome.errors.contains(": model (sha256 "), "\(outcome.errors)")
        let forced = try resume(["--model", copy.path, "--force"])
        #expect(forced.status == 0, "\(forced.errors)")
        #expect(forced.errors.contains("apus: force_resume: goes on from another run's checkpoint: model (sha256 "))
    }

    @Test("Bad input 42: a flipped bit makes the run go back to the checkpoint before, and say so")
    func damaged() throws {
        let file = run.file("adapter_model.safetensors", of: 2)
        var data = try Data(contentsOf: file)
        data[data.count / 2] ^= 1
        try data.write(to: file)
        let refused = try resume([], from: run.output.appending(path: "checkpoint-2").path)
        #expect(refused.status == 2 && refused.errorLines.count == 1)
        #expect(refused.errors.hasSuffix("the newest whole checkpoint is \(run.output.path)/checkpoint-1\n"))
        let outcome = try resume([])
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.errors.contains("checkpoint-2 is damaged: adapter_model.safetensors has changed"))
        #expect(outcome.errors.contains("going back to checkpoint-1"))
        #expect(run.checkpoints == ["checkpoint-1", "checkpoint-2", "checkpoint-3"])
    }

    @Test("Bad input 40: a second run in the folder of a first ends with status 2 and names its process")
    func twoRuns() throws {
        var second: Program.Outcome?
        var owner: Int32 = 0
        _ = try Program.run(run.arguments(steps: 10000, ["--save_steps", "5000"])) { line, process in
            guard line.hasPrefix("step     1/") else { return }
            owner = process.processIdentifier
            second = try? Program.run(run.arguments(steps: 3))
            kill(owner, SIGKILL)
        }
        let outcome = try #require(second)
        #expect(outcome.status == 2 && outcome.errorLines.count == 1, "\(outcome.errors)")
        #expect(outcome.errors.contains("is in use by another run, process \(owner):"), "\(outcome.errors)")
        // The killed run's lock is free.
        #expect(try resume([]).status == 0)
    }

    @Test("Bad input 33: a model that grows out of range ends with status 3 and its batch in a file")
    func notFinite() throws {
        let outcome = try Program.run(
            run.arguments(steps: 20, ["--learning_rate", "1e30", "--max_skipped_steps", "2", "--warmup_steps", "0"]))
        #expect(outcome.status == 3, "\(outcome.errors)")
        let last = try #require(outcome.errorLines.last)
        #expect(last.contains("not finite in 2 steps in a row"), "\(outcome.errors)")
        let files = try FileManager.default.contentsOfDirectory(atPath: run.output.path)
        #expect(files.contains { $0.hasPrefix("skipped-step-") && last.contains($0) })
    }
}
