import Apus
import ApusTestSupport
import Foundation
import Testing

/// Data made by the user's own code, through the commands.
@Suite struct DataFunctionRunTests {
    private let folder: TemporaryFolder
    private let model = Fixture.url("base96-slips").path

    init() throws {
        folder = try TemporaryFolder()
        let source = """
            def to_prompt(row, tokenizer):
                assert tokenizer.decode(tokenizer.encode(row["a"])) == row["a"]
                if "made" in row: return None
                return {"prompt": [{"role": "user", "content": row["a"]}], "answer": row["n"], "completion": "It is 2.", "made": True}
            def to_text(row):
                return {"prompt": row["a"] + "=", "completion": str(row["n"] + 1)}
            def keep(row): return row["n"] < 9
            def rows():
                for n in range(12): yield {"a": f"1+{n}", "n": n}
            def seen(completions, made, answer, **kwargs):
                assert all(made) and all(isinstance(a, int) and a < 9 for a in answer)
                return [float(len(c[0]["content"])) for c in completions]
            """
        _ = try folder.write(Data(source.utf8), as: "data.py")
        let rows = (0..<12).map { #"{"a": "1+\#($0)", "n": \#($0)}"# }
        _ = try folder.write(Data(rows.joined(separator: "\n").utf8), as: "rows.jsonl")
    }

    /// A configuration that lies beside the functions.
    private func run(_ command: [String], _ settings: String) throws -> Program.Outcome {
        let file = try folder.write(
            Data("model: \(model)\nuse_peft: true\nload_in_4bit: false\n\(settings)\n".utf8), as: "run.yaml")
        return try Program.run([command[0], file] + command.dropFirst())
    }

    private var training: [String] {
        [
            "train", "--reward_funcs", "data.py:seen", "--num_generations", "4", "--per_device_train_batch_size", "8",
            "--max_completion_length", "8", "--max_steps", "1", "--output_dir", folder.url.appending(path: "out").path,
        ]
    }

    @Test(arguments: [
        "dataset_name: DIR/rows.jsonl\ndataset_map: data.py:to_prompt\ndataset_filter: data.py:keep",
        "dataset_rows: data.py:rows\ndataset_map: data.py:to_prompt\ndataset_filter: data.py:keep",
    ])
    func aRunTrainsOnMadeRows(settings: String) throws {
        let settings = settings.replacing("DIR", with: folder.url.path)
        let trained = try run(training, settings)
        #expect(trained.status == 0 && trained.output.contains("rows     9 of "), "\(trained.errors)")
        // Nothing is drawn where there is no terminal.
        #expect(!trained.errors.contains("\u{1B}") && !trained.output.contains("\u{1B}"))
        let asked = try run(["eval", "--limit", "3", "--max-new-tokens", "4"], settings)
        #expect(asked.status == 0 && asked.output.contains("3 problems"), "\(asked.output)\(asked.errors)")
        let supervised = try run(
            ["sft", "--max_steps", "1", "--output_dir", folder.url.appending(path: "sft").path],
            settings.replacing("to_prompt", with: "to_text"))
        #expect(supervised.status == 0 && supervised.output.contains("9 examples"), "\(supervised.errors)")
    }

    @Test(arguments: [
        ("dataset_map: data.py:to_prompt", "dataset_map: needs rows"),
        ("dataset_map: nowhere.py:f\ndataset_name: DIR/rows.jsonl", "dataset_map: 'nowhere.py:f' names nowhere.py"),
        (
            "dataset_rows: data.py:rows\ndataset_name: DIR/rows.jsonl",
            "dataset_rows: gives the rows in the place of a file"
        ),
        ("dataset_name: DIR/rows.jsonl\ndataset_map: data.py:keep", "rows.jsonl, row 1: "),
    ])
    func whatCannotBeIsRefused(settings: String, message: String) throws {
        let outcome = try run(training, settings.replacing("DIR", with: folder.url.path))
        #expect(outcome.status == 2 && outcome.errorLines.count == 1, "\(outcome.errors)")
        #expect(outcome.errors.contains(message), "\(outcome.errors)")
    }
}
