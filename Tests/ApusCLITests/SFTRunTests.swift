import Apus
import ApusTestSupport
import Foundation
import Testing

@testable import ApusCLI

/// Whole supervised runs of the program.
@Suite(.serialized) final class SFTRunTests {
    private let folder = FileManager.default.temporaryDirectory.appending(path: "apus-test-\(UUID().uuidString)")
    private let start = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Recipes/demo/start").path

    deinit {
        try? FileManager.default.removeItem(at: folder)
    }

    private func losses(in name: String = "") throws -> [Double] {
        let file = folder.appending(path: name).appending(path: "metrics.jsonl")
        let text = try String(contentsOf: file, encoding: .utf8)
        return try text.split(separator: "\n").compactMap {
            try JSONDecoder().decode([String: JSONValue].self, from: Data($0.utf8))["loss"]?.number
        }
    }

    private func write(_ rows: [String]) throws -> String {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let file = folder.appending(path: "data.jsonl")
        try Data(rows.joined(separator: "\n").utf8).write(to: file)
        return file.path
    }

    private func training(adapterOn model: String, data: String) -> [String] {
        [
            "sft", "--model", model, "--load_in_4bit", "false", "--dataset_name", data,
            "--per_device_train_batch_size", "4", "--gradient_accumulation_steps", "2", "--max_steps", "8",
            "--learning_rate", "1e-2", "--logging_steps", "1", "--output_dir", folder.appending(path: "out").path,
        ]
    }

    @Test func anAdapterLearnsItsExamples() throws {
        let model = Fixture.url("base96-slips").path
        let data = try write((0..<8).map { #"{"prompt": "What is \#($0)?", "completion": "<answer>"}"# })
        let outcome = try Program.run(training(adapterOn: model, data: data))
        try #require(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.output.contains("\nstep 8/8  loss "))
        let losses = try losses(in: "out")
        #expect(losses.count == 8)
        #expect(losses[7] < losses[0] / 2)
        let text = try Program.run([
            "generate", "--model", model, "--adapter", folder.appending(path: "out/checkpoint-8").path, "--precision",
            "bf16", "--raw", "--prompt", "What is 3?", "--temperature", "0", "--max-new-tokens", "8", "--json",
        ])
        try #require(text.status == 0, "\(text.errors)")
        let fields = try JSONDecoder().decode([String: JSONValue].self, from: Data(text.output.utf8))
        #expect(fields["text"] == "<answer>")
    }

    /// The warm-up before GRPO, as the documentation has it, and an adapter as the start of a supervised run.
    @Test func anAdapterIsEvaluatedAndTrainedFurther() throws {
        let model = Fixture.url("base96-slips").path
        let data = try write((0..<8).map { #"{"prompt": "What is \#($0)?", "completion": "<answer>"}"# })
        let arguments = training(adapterOn: model, data: data)
        let made = try Program.run(arguments + ["--lora_r", "4"])
        try #require(made.status == 0, "\(made.errors)")
        let adapter = folder.appending(path: "out/checkpoint-8").path
        let first = try losses(in: "out")

        let evaluation = try Program.run([
            "eval", "--model", model, "--adapter", adapter, "--precision", "bf16", "--limit", "4", "--max-new-tokens",
            "16", "--json",
        ])
        try #require(evaluation.status == 0, "\(evaluation.errors)")
        let fields = try JSONDecoder().decode([String: JSONValue].self, from: Data(evaluation.output.utf8))
        let after = try #require(fields["after"]?.object)
        #expect(after["accuracy"] != nil && fields["before"]?.object?["mean_length"] != after["mean_length"])

        let next = folder.appending(path: "next")
        let further = try Program.run(arguments + ["--adapter", adapter, "--output_dir", next.path])
        try #require(further.status == 0, "\(further.errors)")
        #expect(try losses(in: "next")[0] < first[0] / 2)
        let shape = try Data(contentsOf: next.appending(path: "checkpoint-8/adapter_config.json"))
        #expect(try JSONDecoder().decode([String: JSONValue].self, from: shape)["r"] == 4.0)

        let rewarded = try Program.run([
            "train", "--model", model, "--load_in_4bit", "false", "--adapter",
            next.appending(path: "checkpoint-8").path,
            "--reward_funcs", "demo", "--dataset_size", "4", "--per_device_train_batch_size", "4", "--num_generations",
            "4", "--max_completion_length", "8", "--max_steps", "1", "--output_dir",
            folder.appending(path: "grpo").path,
        ])
        #expect(rewarded.status == 0, "\(rewarded.errors)")
    }

    @Test("Bad input 20: a chat template that leaves the assistant out is an error before anything is written")
    func templateWithoutAssistant() throws {
        let data = try write([#"{"question": "What is 3?", "completion": "<answer>"}"#])
        let outcome = try Program.run(training(adapterOn: Fixture.url("base96-slips").path, data: data))
        #expect(outcome.status == 2)
        #expect(outcome.errorLines.count == 1)
        #expect(outcome.errors.contains("example 1 of the data set"))
        #expect(!FileManager.default.fileExists(atPath: folder.appending(path: "out").path))
    }

    @Test func aModelIsMadeFromNothingAndGoesOn() throws {
        let arguments = [
            "sft", "--use_peft", "false", "--dataset_size", "32", "--per_device_train_batch_size", "8", "--max_steps",
            "4", "--learning_rate", "2e-3", "--logging_steps", "2", "--output_dir", folder.path,
        ]
        let made = try Program.run(arguments + ["--model", start, "--from_scratch"])
        try #require(made.status == 0, "\(made.errors)")
        let model = folder.appending(path: "checkpoint-4").path
        let names = try FileManager.default.contentsOfDirectory(atPath: model)
        #expect(
            Set(names).isSuperset(of: ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]))
        let first = try losses()
        let next = try Program.run(arguments + ["--model", model])
        try #require(next.status == 0, "\(next.errors)")
        let second = try losses()
        #expect(second[0] < first[0])
    }

    @Test("A folder without weights is no model to go on from") func noWeights() throws {
        let outcome = try Program.run(["sft", "--model", start, "--use_peft", "false", "--output_dir", folder.path])
        #expect(outcome.status == 2)
        #expect(outcome.errorLines.count == 1)
        #expect(!FileManager.default.fileExists(atPath: folder.path))
    }
}
