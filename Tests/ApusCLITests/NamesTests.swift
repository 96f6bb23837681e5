import Apus
import ApusTestSupport
import Foundation
import Testing

@testable import ApusCLI

/// Commands take names of what the hub's cache holds, and never ask the hub when it is not to be asked.
@Suite struct NamesTests {
    private let home: TemporaryFolder
    init() throws { home = try TemporaryFolder() }

    private static let commit = String(repeating: "0123456789", count: 4)

    /// Puts files into the cache as Python's library lays them out.
    private func cache(_ folder: String, _ files: [String: Data]) throws {
        let place = home.url.appending(path: "hub/\(folder)")
        let snapshot = place.appending(path: "snapshots/\(Self.commit)")
        for (name, data) in files {
            let link = snapshot.appending(path: name)
            let blob = "blobs/\(abs(name.hashValue))"
            for parent in [link, place.appending(path: blob), place.appending(path: "refs/main")] {
                try FileManager.default.createDirectory(
                    at: parent.deletingLastPathComponent(), withIntermediateDirectories: true)
            }
            try data.write(to: place.appending(path: blob))
            let up = String(repeating: "../", count: 2 + name.count { $0 == "/" })
            try FileManager.default.createSymbolicLink(atPath: link.path, withDestinationPath: up + blob)
        }
        try Data(Self.commit.utf8).write(to: place.appending(path: "refs/main"))
    }

    private func cacheModel() throws {
        let folder = Fixture.url("base96-slips")
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        try cache(
            "models--org--tiny",
            Dictionary(uniqueKeysWithValues: names.map { ($0, try Data(contentsOf: folder.appending(path: $0))) }))
    }

    private func cacheData() throws {
        func rows(_ numbers: ClosedRange<Int>) -> Data {
            Data(numbers.map { "{\"question\": \"\($0) + 1?\", \"answer\": \"so\\n#### \($0 + 1)\"}\n" }.joined().utf8)
        }
        let card =
            "---\nconfigs:\n- config_name: main\n  data_files:\n  - split: train\n    path: main/train-*\n  - split: test\n"
            + "    path: main/test-*\n- config_name: socratic\n  data_files: socratic/*\n---\n"
        try cache(
            "datasets--org--sums",
            ["README.md": Data(card.utf8), "main/train-0.jsonl": rows(1...20), "main/test-0.jsonl": rows(21...25)])
    }

    private func run(_ arguments: [String]) throws -> Program.Outcome {
        try Program.run(
            arguments,
            environment: [
                "HF_HOME": home.url.path, "HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": "",
                "HF_ENDPOINT": "http://127.0.0.1:1",
            ])
    }

    @Test func aRunTakesModelAndDataFromTheCache() throws {
        try cacheModel()
        try cacheData()
        let output = home.url.appending(path: "out").path
        let outcome = try run([
            "train", "--model", "org/tiny", "--dataset_name", "org/sums", "--dataset_config", "main",
            "--dataset_train_split", "train[:50%]", "--answer_extraction", "after_hashes", "--eval_strategy", "steps",
            "--eval_steps", "1", "--max_steps", "1", "--per_device_train_batch_size", "4", "--num_generations", "2",
            "--max_completion_length", "8", "--max_prompt_length", "64", "--output_dir", output, "--reward_funcs",
            "{name: length, unit: characters, max: 50, margin: 1000}",
            "--weight_cache", "false",
        ])
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.output.contains("data     org/sums, 10 prompts"), "\(outcome.output)")
        // Its own split for tests is evaluated on.
        #expect(outcome.output.contains("evaluate 5 prompts"))
        let adapter = try String(
            contentsOfFile: "\(output)/checkpoint-1/adapter_config.json", encoding: .utf8)
        #expect(adapter.contains("\"base_model_name_or_path\": \"org/tiny\""), "\(adapter)")
    }

    @Test func dataAreShownWithTheirColumnsAndPrompts() throws {
        try cacheModel()
        try cacheData()
        let outcome = try run([
            "data", "org/sums", "--dataset_config", "main", "--answer_extraction", "after_hashes", "--model",
            "org/tiny",
            "--max_prompt_length", "8", "--rows", "1", "--json",
        ])
        #expect(outcome.status == 0, "\(outcome.errors)")
        let found = try JSONValue(json: outcome.output.utf8)
        #expect(found["rows"] == 20 && found["prompts"] == 20 && found["name"] == "org/sums")
        #expect(found["columns"]?.array?.map { $0["holds"] } == ["text", "text"])
        let example = try #require(found["examples"]?.array?.first)
        #expect(example["answer"] == "2" && example["text"]?.string?.contains("1 + 1?") == true)
        let counts = try #require(found["prompt_tokens"])
        #expect(counts["min"]?.integer ?? 0 > 0 && counts["over_limit"]?.integer ?? -1 >= 0)
        let plain = try run(["data", "org/sums", "--dataset_config", "main", "--rows", "0"])
        #expect(plain.status == 0 && plain.output.hasPrefix("org/sums: 20 rows\n"), "\(plain.output)\(plain.errors)")
    }

    @Test func theCacheIsListed() throws {
        try cacheModel()
        let outcome = try run(["cache", "--json"])
        let repositories = try #require(JSONValue(json: outcome.output.utf8)["repositories"]?.array)
        #expect(repositories.map { $0["name"] } == ["org/tiny"])
        #expect(try run(["cache", "remove", "org/tiny"]).status == 0)
        #expect(try run(["cache"]).output.contains("holds nothing yet"))
        #expect(try run(["cache", "remove", "org/tiny"]).status == 2)
    }

    @Test(arguments: [
        (["tokenize", "org/none", "--prompt", "a"], "HF_HUB_OFFLINE is set"),
        (["data", "org/none"], "HF_HUB_OFFLINE is set"),
        (["data", "org/sums", "--dataset_config", "socratic"], "HF_HUB_OFFLINE is set"),
        (["data", "org/sums"], "set dataset_config to one of main, socratic"),
        (["data", "nothing.jsonl"], "nothing.jsonl"),
        (["tokenize", "none/x/y.gguf", "--prompt", "a"], "none/x/y.gguf"),
        (["pull", "a b/c"], "is not a name on the hub"), (["pull", "org/x", "--config", "main"], "give --dataset too"),
    ])
    func whatIsNotThereIsSaid(_ arguments: [String], _ says: String) throws {
        try cacheData()
        let outcome = try run(arguments)
        #expect(outcome.status != 0 && outcome.errors.contains(says), "\(outcome.errors)")
    }

    @Test func aPathIsAPath() throws {
        let folder = home.url.path
        for path in ["\(folder)/x", "./a/b", "a", "a/b/c", "~/a", "/a/b", "a/b:", "a/b@", "-a/b"] {
            #expect(!NamedFiles.isName(path), "\(path)")
        }
        for name in ["org/name", "org/name@v1.0", "org/name:Q4_K_M", "org/name@refs/pr/1", "Org-1/name.2_x"] {
            #expect(NamedFiles.isName(name), "\(name)")
        }
    }

    @Test func aDownloadSaysHowFarItIsAndHowLongItTakes() {
        var progress = HubProgress()
        progress.activity = .fetching("model.safetensors")
        (progress.bytes, progress.bytesBefore, progress.totalBytes) = (3_000_000, 1_000_000, 7_000_000)
        #expect(HubDisplay.text(progress, elapsed: nil) == "3.0 of 7.0 MB")
        #expect(HubDisplay.text(progress, elapsed: .seconds(2)) == "3.0 of 7.0 MB, 1.0 MB/s, 4 s left")
        progress.activity = .waiting("a.gguf")
        #expect(HubDisplay.text(progress, elapsed: nil).contains("a.gguf"))
    }
}
