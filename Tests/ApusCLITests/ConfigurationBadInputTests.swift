import Apus
import ApusTestSupport
import Foundation
import Testing

@testable import ApusCLI

/// What a wrong configuration meets: one line, status 2, nothing loaded and nothing written.
@Suite struct ConfigurationBadInputTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    private func outcome(of line: String, _ arguments: [String] = []) throws -> Program.Outcome {
        let file = try folder.write(Data("model_name_or_path: no-such-model\n\(line)\n".utf8), as: "run.yaml")
        return try Program.run(["train", file, "--output_dir", folder.url.appending(path: "out").path] + arguments)
    }

    private func expectRefusal(_ outcome: Program.Outcome, _ wanted: String) {
        #expect(outcome.status == 2)
        #expect(outcome.output.isEmpty)
        #expect(outcome.errorLines.count == 1, "\(outcome.errors)")
        #expect(outcome.errors.contains(wanted), "\(outcome.errors)")
        #expect(!FileManager.default.fileExists(atPath: folder.url.appending(path: "out").path))
    }

    @Test("Bad input 26: an unknown key is refused with its place and the nearest name")
    func unknownKey() throws {
        expectRefusal(
            try outcome(of: "num_generation: 6"),
            "run.yaml:2: num_generation: unknown setting; did you mean num_generations?")
        expectRefusal(
            try outcome(of: "beta: 0", ["--learning-rat", "1e-5"]),
            "--learning-rat: unknown setting; did you mean learning_rate?")
        expectRefusal(try outcome(of: "frobnicate: 1"), "run.yaml:2: frobnicate: unknown setting; ")
    }

    @Test("Bad input 26: keys of other TRL versions and of Unsloth are mapped with a notice")
    func legacyKeys() throws {
        let configuration = try resolve(
            "model: m\nmax_prompt_length: 256\nwarmup_ratio: 0.1\nmax_lora_rank: 8\nvllm_gpu_memory_utilization: 0.5\n")
        #expect(configuration.trainer.maxPromptLength == 256)
        #expect(configuration.trainer.optimizer.warmupRatio == 0.1)
        #expect(configuration.settings.loraRank == 8)
        #expect(configuration.notices.count == 1)
    }

    @Test(
        "Bad input 27: a wrong type, sign or number names the key, the value and the rule",
        arguments: [
            ("learning_rate: fast", "run.yaml:2: learning_rate: expected a number, found 'fast'"),
            ("learning_rate: -1e-6", "run.yaml:2: learning_rate: -1e-06 must be at least 0"),
            ("learning_rate: .nan", "run.yaml:2: learning_rate: expected a number, found '.nan'"),
            ("num_generations: six", "run.yaml:2: num_generations: expected a whole number, found 'six'"),
            ("num_generations: 1", "run.yaml:2: num_generations: 1 must be at least 2"),
            (
                "generation_batch_size: 10",
                "run.yaml:2: generation_batch_size: 10 must be a multiple of per_device_train_batch_size (8)"
            ),
            (
                "strict_batch_size: true\nnum_generations: 6",
                "generation_batch_size: 8 must be a multiple of num_generations (6)"
            ),
            ("shuffle_dataset: perhaps", "run.yaml:2: shuffle_dataset: expected true or false, found 'perhaps'"),
        ])
    func wrongValue(line: String, wanted: String) throws {
        expectRefusal(try outcome(of: line), wanted)
    }

    @Test("Bad input 27: 1e-6, which YAML reads as text, is a number")
    func scientificNotation() throws {
        for text in ["1e-6", "'1e-6'", "1E-6"] {
            #expect(try resolve("model: m\nlearning_rate: \(text)\n").trainer.optimizer.learningRate == 1e-6)
        }
    }

    @Test("Promise 6: a wrong setting is found in under a second, before any weight is read")
    func promiseSix() throws {
        // Nothing but the setting's error may show, although the model, the data and the rewards are wrong too.
        let line = "dataset_name: no-such-file\nbeta: -1"
        let fastest = try (0..<3).map { _ in
            try ContinuousClock().measure { expectRefusal(try outcome(of: line), "run.yaml:3: beta: -1.0 must be") }
        }.min()
        #expect(try #require(fastest) < .seconds(1))
    }
}
