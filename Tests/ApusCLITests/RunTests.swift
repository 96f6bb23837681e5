import Apus
import ApusTestSupport
import Foundation
import Testing

@testable import ApusCLI

/// Whole runs of the program on a model of half a million parameters.
@Suite(.serialized) final class RunTests {
    private let folder = FileManager.default.temporaryDirectory.appending(path: "apus-test-\(UUID().uuidString)")
    private let model = Fixture.url("base96-slips").path

    deinit {
        try? FileManager.default.removeItem(at: folder)
    }

    private func training(steps: Int, completionLength: Int = 16) -> [String] {
        [
            "train", "--model", model, "--load_in_4bit", "false", "--reward_funcs", "demo", "--dataset_size", "20",
            "--per_device_train_batch_size", "8", "--num_generations", "4", "--max_completion_length",
            "\(completionLength)", "--max_steps", "\(steps)", "--logging_steps", "1", "--output_dir", folder.path,
        ]
    }

    @Test func trainingLeavesAnAdapterThatGenerates() throws {
        let outcome = try Program.run(training(steps: 2))
        try #require(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.output.contains("\nstep 1/2  reward "))
        #expect(outcome.output.contains("\nstep 2/2  reward "))
        #expect(!outcome.output.contains("\u{1B}"))
        let checkpoint = folder.appending(path: "checkpoint-2").path
        #expect(outcome.output.contains("--adapter \(checkpoint)"))

        let text = try Program.run(
            [
                "generate", "--model", model, "--adapter", checkpoint, "--precision", "bf16", "--prompt",
                "What is 2+3?",
                "--max-new-tokens", "8", "--json",
            ])
        try #require(text.status == 0, "\(text.errors)")
        let fields = try JSONDecoder().decode([String: JSONValue].self, from: Data(text.output.utf8))
        #expect(
            Set(fields.keys) == ["text", "token_ids", "prompt_token_ids", "finish_reason", "tokens_per_second"])
        #expect((1...8).contains(fields["token_ids"]?.array?.count ?? 0))
    }

    @Test func aResumedRunIsTheRunThatWasNotStopped() throws {
        let arguments = training(steps: 3) + ["--save_steps", "1", "--learning_rate", "1e-3"]
        let last = folder.appending(path: "checkpoint-3")
        let weights = last.appending(path: "adapter_model.safetensors")
        let whole = try Program.run(arguments)
        try #require(whole.status == 0, "\(whole.errors)")
        let expected = try Data(contentsOf: weights)
        try FileManager.default.removeItem(at: last)
        let resumed = try Program.run(arguments + ["--resume_from_checkpoint", "True"])
        try #require(resumed.status == 0, "\(resumed.errors)")
        #expect(!resumed.output.contains("\nstep 2/3"))
        #expect(try Data(contentsOf: weights) == expected)
    }

    @Test func scoresAreLogProbabilities() throws {
        let outcome = try Program.run([
            "score", "--model", model, "--precision", "f32", "--raw", "--prompt", "8*12=", "--completion", "96",
            "--json",
        ])
        try #require(outcome.status == 0, "\(outcome.errors)")
        let fields = try JSONDecoder().decode([String: JSONValue].self, from: Data(outcome.output.utf8))
        #expect(Set(fields.keys) == ["prompt_token_ids", "token_ids", "logprobs"])
        let logProbs = (fields["logprobs"]?.array ?? []).compactMap(\.number)
        #expect(logProbs.count == fields["token_ids"]?.array?.count)
        #expect(logProbs.allSatisfy { $0 <= 0 })
    }

    @Test(arguments: ["grpo", "prefill", "decode", "load"])
    func benchmarksPrintTheirFields(kind: String) throws {
        let outcome = try Program.run([
            "bench", kind, "--model", model, "--precision", "bf16", "--batch", "2", "--tokens", "4", "--steps", "1",
            "--json",
        ])
        try #require(outcome.status == 0, "\(outcome.errors)")
        let fields = try JSONDecoder().decode([String: JSONValue].self, from: Data(outcome.output.utf8))
        let own: [String: Set<String>] = [
            "grpo": ["seconds_per_step", "completion_tokens_per_second", "steps", "batch", "device"],
            "prefill": ["prefill_tokens_per_second", "arithmetic", "batch", "device"],
            "decode": ["decode_tokens_per_second", "arithmetic", "batch", "device"],
            "load": [
                "load_seconds", "first_token_seconds", "cold_load_seconds", "cold_first_token_seconds",
                "cached_weights",
            ],
        ]
        #expect(Set(fields.keys) == own[kind]?.union(["peer", "format", "best", "worst", "peak_rss_mib"]))
    }
}
