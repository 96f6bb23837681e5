import ApusTestSupport
import Foundation
import Testing

/// Runs of `apus sft` that end before their end.
@Suite(.serialized) struct SupervisedSurvivalTests {
    /// What must not depend on how a run got to its end.
    private func outcome(_ run: TinyRun, _ weights: String, step: Int) throws -> [Data] {
        try [run.file(weights, of: step), run.file("optimizer.safetensors", of: step)].map { try Data(contentsOf: $0) }
            + [try Data(contentsOf: run.output.appending(path: "metrics.jsonl"))]
    }

    @Test(
        "Bad input 35, 37: runs that were killed and stopped end as the run that nobody disturbed",
        arguments: [(true, "adapter_model.safetensors"), (false, "model.safetensors")])
    func killedAndStopped(usesPEFT: Bool, weights: String) throws {
        let whole = try TinyRun(supervisedWithAdapter: usesPEFT)
        let undisturbed = try Program.run(whole.arguments(steps: 60, ["save_steps": "20"]))
        try #require(undisturbed.status == 0, "\(undisturbed.errors)")

        let run = try TinyRun(supervisedWithAdapter: usesPEFT)
        let killed = try Program.run(run.arguments(steps: 60, ["save_steps": "20"])) { line, process in
            if line.hasPrefix("step 25/60 ") { kill(process.processIdentifier, SIGKILL) }
        }
        #expect(killed.status == SIGKILL)
        let resumed = ["save_steps": "20", "resume_from_checkpoint": "true"]
        var isStopped = false
        let stopped = try Program.run(run.arguments(steps: 60, resumed)) { line, process in
            if line.hasPrefix("step "), !isStopped {
                kill(process.processIdentifier, SIGTERM)
                isStopped = true
            }
        }
        #expect(stopped.status == 143, "\(stopped.errors)")
        #expect(stopped.errorLines.last?.contains("--resume_from_checkpoint \(run.output.path)/checkpoint-") == true)
        let finished = try Program.run(run.arguments(steps: 60, resumed))
        #expect(finished.status == 0, "\(finished.errors)")
        #expect(finished.errors.contains("apus: goes on after step "))
        #expect(try outcome(run, weights, step: 60) == outcome(whole, weights, step: 60))
    }

    @Test("Bad input 41, 42: another data set is refused, a flipped bit makes the run go back")
    func refusedAndDamaged() throws {
        let run = try TinyRun(supervisedWithAdapter: true)
        let first = try Program.run(run.arguments(steps: 2))
        try #require(first.status == 0, "\(first.errors)")
        let other = try run.folder.write(Data(#"{"prompt": "1+1", "completion": "=2"}"#.utf8), as: "other.jsonl")
        let refused = try Program.run(
            run.arguments(
                steps: 3, ["dataset_name": other, "lora_r": "8", "resume_from_checkpoint": "true"]))
        #expect(refused.status == 2 && refused.errorLines.count == 1, "\(refused.errors)")
        for part in ["dataset (20 examples, sha256 ", " 1 examples, sha256 ", "lora_r (4 before, 8 now)"] {
            #expect(refused.errors.contains(part), "\(refused.errors)")
        }
        let file = run.file("optimizer.safetensors", of: 2)
        var data = try Data(contentsOf: file)
        data[data.count / 2] ^= 1
        try data.write(to: file)
        let outcome = try Program.run(run.arguments(steps: 3, ["resume_from_checkpoint": "true"]))
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.errors.contains("checkpoint-2 is damaged: optimizer.safetensors has changed"))
        #expect(outcome.errors.contains("going back to checkpoint-1"))
        #expect(run.checkpoints == ["checkpoint-1", "checkpoint-2", "checkpoint-3"])
    }
}
