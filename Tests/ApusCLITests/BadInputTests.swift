import Apus
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

    @Test("Bad input 22: a data set without rows says why there are none")
    func aDatasetWithoutRows() throws {
        let data = try folder.write(Data(), as: "data.jsonl")
        expectRefusal(try train(["--output_dir", path("run"), "--dataset_name", data]), "the file is empty")
        let blank = try folder.write(Data("\n\n".utf8), as: "blank.jsonl")
        expectRefusal(try train(["--output_dir", path("run"), "--dataset_name", blank]), "all 2 lines are blank")
        // Everything is filtered out.
        let long = try folder.write(Data(#"{"question": "1+1+1+1+1", "answer": "5"}"#.utf8), as: "long.jsonl")
        let outcome = try train([
            "--output_dir", path("run"), "--dataset_name", long, "--max_prompt_length", "3", "--overlong_prompts",
            "drop",
        ])
        #expect(outcome.status == 2 && outcome.errorLines.count == 1, "\(outcome.errors)")
        #expect(outcome.errors.contains("0 of 1 rows are left: every prompt is longer than the 3 tokens"))
        #expect(!FileManager.default.fileExists(atPath: path("run")))
    }

    @Test("Bad input 23: a broken row is named by file and line, after a byte order mark, CRLF and a line of 10 MB")
    func aBrokenRow() throws {
        func data(_ row: String, _ last: String) throws -> String {
            let long = #"{"question": ""# + String(repeating: "1+", count: 5 << 20) + #"1""# + row
            let rows = ["\u{FEFF}" + #"{"question": "1+1", "answer": "2"}"#, "", long, last]
            return try folder.write(Data(rows.joined(separator: "\r\n").utf8), as: "data.jsonl")
        }
        let last = #"{"question": "1+1", "answer": }"#
        let lacking = try data("}", last)
        let missing = try train(["--output_dir", path("run"), "--dataset_name", lacking])
        #expect(missing.status == 2 && missing.errorLines.count == 1, "\(missing.errors.prefix(300))")
        #expect(
            missing.errors.hasPrefix("apus: \(lacking):3: wanted column 'answer'"), "\(missing.errors.prefix(300))")
        let file = try data(#", "answer": "5"}"#, last)
        let broken = try train(["--output_dir", path("run"), "--dataset_name", file])
        #expect(broken.status == 2 && broken.errorLines.count == 1, "\(broken.errors.prefix(300))")
        #expect(broken.errors.hasPrefix("apus: \(file):4: "), "\(broken.errors.prefix(300))")
        #expect(broken.errors.contains("wanted a value, found '}' at byte 31"), "\(broken.errors.prefix(300))")
        #expect(!FileManager.default.fileExists(atPath: path("run")))
    }

    @Test(
        "Bad input 20: a chat template that is missing, broken or refuses the conversation is named, with what helps",
        arguments: [
            (nil, ["no chat template", "--raw"], ["no chat template", "instruction-tuned"]),
            ("{% if %}", ["chat template, line 1: "], ["chat template, line 1: "]),
            (
                "a\n{{ raise_exception('only\nthe assistant may speak') }}",
                ["chat template, line 2: ", "only the assistant may speak"],
                ["line 2: ", "only the assistant may speak"]
            ),
            ("{{ messages[0].content.nothing.there }}", ["chat template, line 1: "], ["chat template, line 1: "]),
        ] as [(String?, [String], [String])])
    func templates(template: String?, generated: [String], trained: [String]) throws {
        let copy = path("model")
        try FileManager.default.copyItem(atPath: model, toPath: copy)
        let configuration = ["eos_token": "<|end|>", "chat_template": template].compactMapValues { $0 }
        try JSONEncoder().encode(configuration).write(to: URL(filePath: copy + "/tokenizer_config.json"))
        let outcomes = [
            (try Program.run(["generate", "--model", copy, "--prompt", "1+1="]), generated),
            (try train(["--output_dir", path("run")], model: copy), trained),
        ]
        for (outcome, parts) in outcomes {
            #expect(outcome.status == 2 && outcome.errorLines.count == 1, "\(outcome.errors)")
            for part in parts { #expect(outcome.errors.contains(part), "\(part) in \(outcome.errors)") }
        }
        #expect(!FileManager.default.fileExists(atPath: path("run")))
    }

    @Test(
        "Bad input 46: a model's index that points out of its folder is refused",
        arguments: ["../outside.safetensors", "/etc/passwd", "sub/../../outside.safetensors", ".."])
    func anIndexThatPointsElsewhere(name: String) throws {
        let copy = path("model")
        try FileManager.default.copyItem(atPath: model, toPath: copy)
        try FileManager.default.moveItem(atPath: copy + "/model.safetensors", toPath: path("outside.safetensors"))
        let index = ["weight_map": ["model.embed_tokens.weight": name]]
        try JSONEncoder().encode(index).write(to: URL(filePath: copy + "/model.safetensors.index.json"))
        let outcome = try train(["--output_dir", path("run")], model: copy)
        #expect(outcome.status == 2 && outcome.errorLines.count == 1, "\(outcome.errors)")
        #expect(outcome.errors.contains("model.safetensors.index.json: "), "\(outcome.errors)")
        #expect(outcome.errors.contains(name), "\(outcome.errors)")
        #expect(!FileManager.default.fileExists(atPath: path("run")))
    }

    @Test("Bad input 46: what an adapter's configuration calls its base model is opened by nobody")
    func anAdapterThatPointsElsewhere() throws {
        let settings = ["--max_steps", "1", "--lora_r", "2", "--output_dir", path("run")]
        #expect(try train(settings).status == 0)
        let adapter = path("run/checkpoint-1")
        let file = URL(filePath: adapter).appending(path: "adapter_config.json")
        var members = try JSONDecoder().decode([String: JSONValue].self, from: Data(contentsOf: file))
        for base in ["../../../etc", "/etc/passwd", "\u{0}"] {
            members["base_model_name_or_path"] = .string(base)
            try JSONEncoder().encode(members).write(to: file)
            let outcome = try Program.run([
                "generate", "--model", model, "--adapter", adapter, "--prompt", "1+1=", "--max-new-tokens", "2",
            ])
            #expect(outcome.status == 0, "\(outcome.errors)")
        }
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
