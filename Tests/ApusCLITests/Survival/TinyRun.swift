import ApusTestSupport
import Foundation

/// A run of the built program on a model of half a million parameters, in a folder of its own.
struct TinyRun {
    let folder: TemporaryFolder
    let output: URL

    init() throws {
        folder = try TemporaryFolder()
        output = folder.url.appending(path: "run")
    }

    /// Arguments of `apus train`; what is given twice counts as the last.
    func arguments(steps: Int, _ more: [String] = []) -> [String] {
        [
            "train", "--model", Fixture.url("base96-slips").path, "--load_in_4bit", "false", "--reward_funcs", "demo",
            "--dataset_size", "20", "--lora_r", "4", "--per_device_train_batch_size", "4", "--num_generations", "4",
            "--max_completion_length", "8", "--max_steps", "\(steps)", "--logging_steps", "1", "--save_steps", "1",
            "--output_dir", output.path,
        ] + more
    }

    var checkpoints: [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: output.path)) ?? [])
            .filter { $0.hasPrefix("checkpoint-") }.sorted()
    }

    func file(_ name: String, of step: Int) -> URL { output.appending(path: "checkpoint-\(step)/\(name)") }
}
