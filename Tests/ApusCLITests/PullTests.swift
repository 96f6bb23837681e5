import Apus
import ApusTestSupport
import Foundation
import Testing

/// `apus pull` and data sets by name, on a hub on this machine.
@Suite(.serialized) struct PullTests {
    private let home: TemporaryFolder
    init() throws { home = try TemporaryFolder() }

    private func hub(_ repositories: [String: [String: String]]) throws -> HubProcess {
        let state = [
            "repositories": repositories.mapValues { ["files": $0.mapValues { ["text": $0] }] }
        ]
        return try HubProcess(state: JSONEncoder().encode(state))
    }

    private func run(_ arguments: [String], _ hub: HubProcess?, offline: Bool = false) throws -> Program.Outcome {
        try Program.run(
            arguments,
            environment: [
                "HF_HOME": home.url.path, "HF_HUB_CACHE": "", "HF_HUB_OFFLINE": offline ? "1" : "0", "HF_TOKEN": "",
                "HF_ENDPOINT": hub?.endpoint.absoluteString ?? "http://127.0.0.1:1",
            ])
    }

    private static let card =
        "---\nconfigs:\n- config_name: main\n  data_files:\n  - split: train\n    path: main/train-*\n  - split: test\n"
        + "    path: main/test-*\n- config_name: more\n  data_files: more/*\n---\n"
    private static let rows = "{\"question\": \"a\", \"answer\": \"1\"}\n{\"question\": \"b\", \"answer\": \"2\"}\n"

    @Test func onlyTheSplitsThatAreWantedAreBrought() throws {
        let hub = try hub([
            "datasets/org/data": [
                "README.md": Self.card, "main/train-0.jsonl": Self.rows, "main/test-0.jsonl": Self.rows,
                "more/a.jsonl": Self.rows, "picture.png": "x",
            ]
        ])
        let shown = try run(["data", "org/data", "--dataset_config", "main", "--rows", "0"], hub)
        #expect(shown.status == 0 && shown.output.hasPrefix("org/data: 2 rows"), "\(shown.errors)")
        let pulled = try run(["pull", "org/data", "--dataset", "--config", "main"], hub)
        let folder = try #require(pulled.output.split(separator: "\n").last.map(String.init), "\(pulled.errors)")
        let files = try FileManager.default.subpathsOfDirectory(atPath: folder).filter { $0.contains(".") }
        #expect(Set(files) == ["README.md", "main/train-0.jsonl", "main/test-0.jsonl"])
        // All is here now: without the hub it is the same.
        let offline = try run(
            ["data", "org/data", "--dataset_config", "main", "--dataset_train_split", "test[:1]", "--rows", "0"], nil,
            offline: true)
        #expect(offline.output.hasPrefix("org/data: 1 row\n"), "\(offline.errors)")
        let patterns = try run(
            ["data", "--datasets", "[{path: org/data, data_files: 'more/*', split: train}]", "--rows", "0"], hub)
        #expect(patterns.output.contains("2 rows"), "\(patterns.errors)")
    }

    @Test func theCopyInParquetStandsInForWhatCannotBeRead() throws {
        let state = """
            {"repositories": {"datasets/org/script": {
                "commits": [{"script.py": {"text": "print()"}}, {"default/train/0000.parquet": {"text": "x"}}],
                "references": {"main": 0, "refs/convert/parquet": 1}}}}
            """
        let outcome = try run(
            ["pull", "org/script", "--dataset", "--split", "train"], HubProcess(state: Data(state.utf8)))
        let folder = try #require(outcome.output.split(separator: "\n").last.map(String.init), "\(outcome.errors)")
        #expect(FileManager.default.fileExists(atPath: "\(folder)/default/train/0000.parquet"))
        // Where there is no copy the fault is the data set's.
        let none = try run(["data", "org/none"], hub(["datasets/org/none": ["script.py": "print()"]]))
        #expect(none.status == 2 && none.errors.contains("org/none: wanted files that end in"), "\(none.errors)")
    }

    @Test func aModelWithoutWeightsThatCanBeReadIsRefused() throws {
        let hub = try hub(["models/org/old": ["config.json": "{}", "pytorch_model.bin": "x"]])
        let outcome = try run(["pull", "org/old"], hub)
        #expect(outcome.status == 2 && outcome.errors.contains(".bin"), "\(outcome.errors)")
        let missing = try run(["generate", "--model", "org/none", "--prompt", "a"], hub)
        #expect(missing.status == 2 && missing.errors.contains("org/none"), "\(missing.errors)")
    }
}
