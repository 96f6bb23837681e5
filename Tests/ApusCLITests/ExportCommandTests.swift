import Apus
import ApusTestSupport
import Foundation
import Testing

/// `apus export` as a user meets it.
@Suite struct ExportCommandTests {
    private let folder: TemporaryFolder
    private let model = Fixture.url("base96-slips").path

    init() throws { folder = try TemporaryFolder() }

    private func path(_ name: String) -> String { folder.url.appending(path: name).path }

    private func export(_ format: String, _ arguments: [String]) throws -> Program.Outcome {
        try Program.run(["export", "--model", model, "--format", format] + arguments)
    }

    private func expectRefusal(_ outcome: Program.Outcome, _ part: String) {
        #expect(outcome.status == 2)
        #expect(outcome.errorLines.count == 1 && outcome.errors.contains(part), "\(outcome.errors)")
        #expect(outcome.output.isEmpty)
    }

    @Test(arguments: ["merged", "bnb-4bit"])
    func aFolderGeneratesAsTheModelDoes(format: String) throws {
        let outcome = try export(format, ["--output", path("out")])
        try #require(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.output == "wrote \(path("out"))\nvllm serve \(path("out"))\n")
        #expect(outcome.errors.isEmpty)
        let texts = try [model, path("out")].map { model in
            try Program.run([
                "generate", "--model", model, "--prompt", "8*12=", "--precision", "nf4", "--temperature", "0",
                "--max-new-tokens", "12",
            ]).output
        }
        #expect(texts[0] == texts[1])
    }

    @Test func aTrainedAdapterIsServed() throws {
        let training = try Program.run([
            "train", "--model", model, "--load_in_4bit", "false", "--reward_funcs", "demo", "--dataset_size", "4",
            "--per_device_train_batch_size", "4", "--num_generations", "4", "--max_completion_length", "8",
            "--max_steps", "1", "--lora_r", "4", "--output_dir", path("run"),
        ])
        try #require(training.status == 0, "\(training.errors)")
        let adapter = path("run/checkpoint-1")
        let outcome = try export("adapter", ["--adapter", adapter, "--output", path("mine"), "--name", "tuned"])
        try #require(outcome.status == 0, "\(outcome.errors)")
        #expect(
            outcome.output.hasSuffix(
                "\nvllm serve \(model) --enable-lora --max-lora-rank 8 --lora-modules tuned=\(path("mine"))\n"))
        let merged = try export("merged", ["--adapter", adapter, "--output", path("merged")])
        #expect(merged.status == 0, "\(merged.errors)")
        let lora = try export("gguf-lora", ["--adapter", adapter, "--output", path("lora.gguf"), "--type", "f16"])
        #expect(lora.status == 0, "\(lora.errors)")
        #expect(lora.output.contains("--lora \(path("lora.gguf"))"))
    }

    @Test("Bad input 43: an export replaces nothing unasked, and never the model")
    func nothingIsReplacedUnasked() throws {
        let copy = path("model")
        try FileManager.default.copyItem(atPath: model, toPath: copy)
        let before = try FileManager.default.contentsOfDirectory(atPath: copy)
        let onto = try Program.run([
            "export", "--model", copy, "--format", "merged", "--output", copy, "--overwrite",
        ])
        expectRefusal(onto, "holds what is exported")
        #expect(try FileManager.default.contentsOfDirectory(atPath: copy) == before)
        #expect(try export("merged", ["--output", path("out")]).status == 0)
        expectRefusal(try export("merged", ["--output", path("out")]), "exists; give a new name, or --overwrite")
        #expect(try export("merged", ["--output", path("out"), "--overwrite"]).status == 0)
    }

    @Test(
        "Bad input 46: names that point elsewhere",
        arguments: ["../escape", "a/b", ".hidden", "-rf", "a b", "é"])
    func namesThatPointElsewhere(name: String) throws {
        expectRefusal(try export("merged", ["--output", path("out"), "--name=\(name)"]), "--name: wanted at most 100")
    }

    @Test("Bad input 46: an adapter is a folder, not what a file in it points to")
    func anAdapterFolderThatIsNone() throws {
        let outcome = try export("adapter", ["--adapter", path("nowhere/../nowhere"), "--output", path("out")])
        expectRefusal(outcome, "adapter_config.json: cannot be opened")
    }

    @Test func wrongOptionsAreNamed() throws {
        expectRefusal(try export("gguf", ["--output", path("m"), "--type", "Q3_X"]), "Q4_K_M; found 'Q3_X'")
        expectRefusal(try export("bnb-4bit", ["--output", path("m"), "--type", "F16"]), "leave --type out")
        expectRefusal(try export("merged", ["--output", path("m"), "--double-quant"]), "for --format bnb-4bit only")
        expectRefusal(try export("adapter", ["--output", path("m")]), "--adapter: wanted a PEFT adapter folder")
        expectRefusal(try export("gguf", ["--output", path("m.gguf")]), "llama.cpp has no name for the way")
        #expect(!FileManager.default.fileExists(atPath: path("m")))
    }

    @Test("Bad input 34: a disk that is full leaves nothing behind and says 3")
    func aFullDiskLeavesNothing() throws {
        // A limit on file size stands in for the disk.
        let process = Process()
        process.executableURL = URL(filePath: "/bin/sh")
        let program = Program.executable.path
        process.arguments = [
            "-c",
            "trap '' XFSZ; ulimit -f 100; exec '\(program)' export --model '\(model)' --format merged --output '\(path("out"))'",
        ]
        let errors = Pipe()
        process.standardError = errors
        try process.run()
        let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 3, "\(text)")
        #expect(text.hasPrefix("apus: ") && text.contains("model.safetensors: cannot be written"), "\(text)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path).isEmpty)
    }
}
