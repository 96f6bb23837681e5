import ApusTestSupport
import Foundation
import Testing

/// Damaged files and impossible folders end the program with one line and status 2 before anything is written.
@Suite struct BadInputTests {
    private let folder: TemporaryFolder
    private let model = Fixture.url("base96-slips").path

    init() throws {
        folder = try TemporaryFolder()
    }

    private func train(_ arguments: [String], model: String? = nil) throws -> Program.Outcome {
        let settings = [
            "--load_in_4bit", "false", "--reward_funcs", "demo", "--per_device_train_batch_size", "4",
            "--num_generations", "4", "--max_completion_length", "4", "--max_steps", "1",
        ]
        return try Program.run(["train", "--model", model ?? self.model] + settings + arguments)
    }

    private func expectRefusal(_ outcome: Program.Outcome, _ ending: String) {
        #expect(outcome.status == 2)
        #expect(outcome.errorLines.count == 1, "\(outcome.errors)")
        #expect(outcome.errors.hasSuffix(ending + "\n"), "\(outcome.errors)")
    }

    private func path(_ name: String) -> String { folder.url.appending(path: name).path }

    /// A copy of the model whose weights file is changed.
    private func damaged(_ change: (inout Data) -> Void) throws -> String {
        let copy = path("damaged")
        try FileManager.default.copyItem(atPath: model, toPath: copy)
        let weights = URL(filePath: copy).appending(path: "model.safetensors")
        var data = try Data(contentsOf: weights)
        change(&data)
        try data.write(to: weights)
        return copy
    }

    @Test func aTruncatedWeightsFile() throws {
        let copy = try damaged { $0.removeLast(1000) }
        let outcome = try train(["--output_dir", path("run")], model: copy)
        #expect(outcome.status == 2 && outcome.errorLines.count == 1, "\(outcome.errors)")
        #expect(outcome.errors.contains("model.safetensors: "))
        #expect(!FileManager.default.fileExists(atPath: path("run")))
    }

    @Test func aHeaderThatClaimsMoreThanThereIs() throws {
        let copy = try damaged { $0.replaceSubrange(0..<8, with: Array(repeating: 0x3F, count: 8)) }
        expectRefusal(try train(["--output_dir", path("run")], model: copy), "this is not a safetensors file")
    }

    @Test func aTruncatedGGUFFile() throws {
        let file = try folder.write(Data("GGUF".utf8) + Data([3, 0, 0, 0]) + Data(count: 3), as: "model.gguf")
        let outcome = try train(["--output_dir", path("run")], model: file)
        expectRefusal(outcome, "copy the file again")
    }

    @Test func aColumnThatIsNotThere() throws {
        let data = try folder.write(Data(#"{"q": "1+1", "answer": "2"}"#.utf8), as: "data.jsonl")
        let outcome = try train(["--output_dir", path("run"), "--dataset_name", data])
        expectRefusal(outcome, "found answer, q; name the right column (prompt_column, answer_column)")
    }

    @Test func aDatasetWithoutRows() throws {
        let data = try folder.write(Data(), as: "data.jsonl")
        expectRefusal(try train(["--output_dir", path("run"), "--dataset_name", data]), "the file is empty")
    }

    @Test func anOutputFolderThatCannotBe() throws {
        let file = try folder.write(Data(), as: "file")
        expectRefusal(try train(["--output_dir", file + "/run"]), "file/run: not a directory; choose another folder")
    }

    @Test(arguments: ["nowhere", "true"])
    func aCheckpointThatIsNotThereLeavesNoFolderBehind(checkpoint: String) throws {
        let outcome = try train(["--output_dir", path("run"), "--resume_from_checkpoint", checkpoint])
        #expect(outcome.status == 2 && outcome.errorLines.count == 1, "\(outcome.errors)")
        #expect(outcome.errors.hasPrefix("apus: resume_from_checkpoint: "))
        #expect(!FileManager.default.fileExists(atPath: path("run")))
    }

    @Test func aFolderThatIsNoCheckpoint() throws {
        let outcome = try train(["--output_dir", path("run"), "--resume_from_checkpoint", folder.url.path])
        expectRefusal(outcome, "apus_manifest.json is missing; there is no other whole checkpoint")
    }

    @Test(arguments: [
        ["generate", "--raw", "--prompt"], ["score", "--raw", "--completion", "96", "--prompt"],
    ])
    func textLongerThanTheContext(arguments: [String]) throws {
        let text = String(repeating: "1+1 ", count: 200)
        let outcome = try Program.run(arguments + [text, "--model", model])
        #expect(outcome.status == 2 && outcome.errorLines.count == 1, "\(outcome.errors)")
        #expect(outcome.errors.contains("192"))
    }

    @Test func aBenchmarkThatTheContextWouldCutShort() throws {
        let outcome = try Program.run(["bench", "decode", "--model", model, "--tokens", "100", "--steps", "1"])
        expectRefusal(outcome, "wanted at most 80, what the model's context leaves, found 100")
    }
}
