import ApusTestSupport
import Foundation
import Testing

/// `apus push` as far as the hub is not asked: what is sent to it, the tests of the hub show.
@Suite struct PushCommandTests {
    private let folder: TemporaryFolder
    private let checkpoint: URL

    init() throws {
        folder = try TemporaryFolder()
        checkpoint = folder.url.appending(path: "checkpoint-2")
        try FileManager.default.createDirectory(at: checkpoint, withIntermediateDirectories: true)
        for (name, text) in [
            ("adapter_config.json", "{\"r\": 8, \"base_model_name_or_path\": \"/home/me/model\"}"),
            ("adapter_model.safetensors", "weights"), ("optimizer.safetensors", "moments"), ("apus_state.json", "{}"),
            ("trainer_state.json", "{\"log_history\": [{\"step\": 1, \"reward\": 0.5}]}"),
        ] { _ = try folder.write(Data(text.utf8), as: "checkpoint-2/\(name)") }
    }

    private func run(_ arguments: String...) throws -> Program.Outcome {
        // Nobody answers there.
        try Program.run(
            ["push"] + arguments,
            environment: ["HF_ENDPOINT": "http://127.0.0.1:1", "HF_TOKEN": "", "HF_HOME": folder.url.path])
    }

    @Test func dryRunShowsFilesAndCard() throws {
        let outcome = try run(checkpoint.path, "org/name", "--dry-run")
        #expect(outcome.status == 0)
        for part in [
            "adapter_model.safetensors", "left out: apus_state.json, optimizer.safetensors", "library_name: peft",
            "| 1 | 0.5 |",
        ] { #expect(outcome.output.contains(part), "\(outcome.output)") }
        #expect(!outcome.output.contains("/home/me") && outcome.errors.contains("--base-model"))
        let all = try run(checkpoint.path, "org/name", "--dry-run", "--all", "--base-model", "org/base")
        #expect(all.output.contains("optimizer.safetensors") && !all.output.contains("left out"))
        #expect(all.output.contains("base_model: org/base") && all.errors.isEmpty)
    }

    @Test func refusals() throws {
        for (arguments, part) in [
            ([checkpoint.path, "org/name"], "hf auth login"), ([folder.url.path, "org/name"], "checkpoint-2"),
            ([checkpoint.path, "org/name", "--license", "Do what you want"], "apache-2.0"),
            ([checkpoint.path, "org/na me"], "is not a name on the hub"),
        ] {
            let outcome = try Program.run(
                ["push"] + arguments, environment: ["HF_TOKEN": "", "HF_HOME": folder.url.path])
            #expect(outcome.status == 2 && outcome.errors.contains(part), "\(outcome.errors)")
        }
    }
}
