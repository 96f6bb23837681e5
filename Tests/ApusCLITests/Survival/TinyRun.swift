import ApusTestSupport
import Foundation

/// A run of the built program on a model of half a million parameters, in a folder of its own.
struct TinyRun {
    let folder: TemporaryFolder
    let output: URL
    private let command: String
    private let own: [String: String]

    /// GRPO.
    init() throws {
        self.init(
            try TemporaryFolder(), "train",
            [
                "load_in_4bit": "false", "reward_funcs": "demo", "dataset_size": "20", "lora_r": "4",
                "num_generations": "4", "max_completion_length": "8",
            ])
    }

    /// Supervised training of an adapter, or of all weights, on 20 rows of prompt and completion.
    init(supervisedWithAdapter usesPEFT: Bool) throws {
        let folder = try TemporaryFolder()
        let data = try folder.write(Data(Self.rows.joined(separator: "\n").utf8), as: "data.jsonl")
        let kind = usesPEFT ? ["load_in_4bit": "false", "lora_r": "4"] : ["use_peft": "false"]
        self.init(folder, "sft", kind.merging(["dataset_name": data]) { $1 })
    }

    private init(_ folder: TemporaryFolder, _ command: String, _ own: [String: String]) {
        self.folder = folder
        self.command = command
        self.own = own
        output = folder.url.appending(path: "run")
    }

    private static let rows = (0..<20).map { index in
        let completion = String(repeating: "=\(index % 7)", count: index % 5 + 1)
        return #"{"prompt": "What is \#(index)?", "completion": "\#(completion)"}"#
    }

    /// Arguments of the command, some of them other than usual.
    func arguments(steps: Int, _ changes: [String: String] = [:]) -> [String] {
        let usual = [
            "model": Fixture.url("base96-slips").path, "per_device_train_batch_size": "4", "max_steps": "\(steps)",
            "logging_steps": "1", "save_steps": "1", "output_dir": output.path,
        ]
        return [command] + usual.merging(own) { $1 }.merging(changes) { $1 }.map { "--\($0)=\($1)" }
    }

    var checkpoints: [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: output.path)) ?? [])
            .filter { $0.hasPrefix("checkpoint-") }.sorted()
    }

    func file(_ name: String, of step: Int) -> URL { output.appending(path: "checkpoint-\(step)/\(name)") }
}
