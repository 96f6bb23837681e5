import Apus
import ApusTestSupport
import Foundation
import Testing

/// GRPO on all weights through the command.
@Suite struct FullRunTests {
    private let folder: TemporaryFolder
    private let model = Fixture.url("base96-slips").path

    init() throws { folder = try TemporaryFolder() }

    private func train(_ output: String, _ arguments: [String] = []) throws -> Program.Outcome {
        try Program.run(
            [
                "train", "--model", model, "--use_peft", "false", "--num_generations", "4",
                "--per_device_train_batch_size", "16", "--max_completion_length", "32", "--learning_rate", "1e-4",
                "--lr_scheduler_type", "constant", "--max_steps", "4", "--save_steps", "2", "--logging_steps", "1",
                "--reward_funcs", "demo",
                "--output_dir", folder.url.appending(path: output).path,
            ] + arguments)
    }

    private func file(_ output: String, _ name: String) throws -> Data {
        try Data(contentsOf: folder.url.appending(path: "\(output)/checkpoint-4/\(name)"))
    }

    @Test("A run resumes bit for bit, samples with the weights that it trains, and leaves a model")
    func resumes() throws {
        let whole = try train("whole")
        try #require(whole.status == 0, "\(whole.errors)")
        #expect(whole.output.contains("trained  all 455520 parameters"))
        let first = try train("parts", ["--max_steps", "2"])
        try #require(first.status == 0, "\(first.errors)")
        let rest = try train("parts", ["--resume_from_checkpoint", "true"])
        try #require(rest.status == 0, "\(rest.errors)")
        for name in ["model.safetensors", "optimizer.safetensors"] {
            #expect(try file("whole", name) == file("parts", name), "\(name)")
        }
        let metrics = folder.url.appending(path: "whole/metrics.jsonl")
        let lines = try String(contentsOf: metrics, encoding: .utf8).split(separator: "\n")
        #expect(lines.count >= 4)
        for line in lines {
            let record = try JSONDecoder().decode([String: JSONValue].self, from: Data(line.utf8))
            guard record["reward"] != nil else { continue }
            #expect(record["sampling/sampling_logp_difference/max"]?.number == 0, "\(line)")
        }
        let trained = folder.url.appending(path: "whole/checkpoint-4").path
        let said = try Program.run([
            "generate", "--model", trained, "--precision", "f32", "--prompt", "12+9", "--seed", "1",
        ])
        #expect(said.status == 0 && !said.output.isEmpty, "\(said.errors)")
    }

    @Test(
        "What all weights cannot be trained with is refused by name",
        arguments: [
            (["--load_in_4bit", "true"], "load_in_4bit: needs frozen weights"),
            (["--load_in_8bit", "true"], "load_in_8bit: needs frozen weights"),
            (["--adapter", "somewhere"], "adapter: needs use_peft: true"),
            (["--beta", "0.1"], "beta: needs the model as it was"),
        ])
    func refused(arguments: [String], message: String) throws {
        let outcome = try train("none", arguments)
        #expect(outcome.status == 2 && outcome.errorLines.count == 1, "\(outcome.errors)")
        #expect(outcome.errors.contains(message), "\(outcome.errors)")
    }

    @Test("A plan counts all weights as trained")
    func plan() throws {
        let outcome = try Program.run(["plan", model, "--use_peft", "false"])
        #expect(outcome.status == 0 && outcome.output.contains("trained weights"), "\(outcome.output)\(outcome.errors)")
    }
}
