import Apus
import ApusTestSupport
import Foundation
import Testing

@testable import ApusCLI

/// `apus eval`, and evaluation within `apus train`, on the model of half a million parameters.
@Suite(.serialized) struct EvalTests {
    private let folder: TemporaryFolder
    private let model = Fixture.url("base96-slips").path

    init() throws {
        folder = try TemporaryFolder()
    }

    private func eval(_ arguments: [String]) throws -> Program.Outcome {
        try Program.run(["eval", "--model", model, "--precision", "bf16", "--max-new-tokens", "48"] + arguments)
    }

    private func object(_ outcome: Program.Outcome) throws -> [String: JSONValue] {
        try #require(outcome.status == 0, "\(outcome.errors)")
        return try JSONDecoder().decode([String: JSONValue].self, from: Data(outcome.output.utf8))
    }

    private func share(_ side: JSONValue?, _ grading: String) throws -> (value: Double, interval: [Double]) {
        let share = try #require(side?.object?["accuracy"]?.object?[grading]?.object)
        let interval = (share["interval"]?.array ?? []).compactMap(\.number)
        return (try #require(share["value"]?.number), interval)
    }

    /// An adapter that changes nothing: B is zero before the first step.
    private func freshAdapter() throws -> String {
        let model = try LanguageModel(path: model)
        let adapter = try LoRAAdapter(LoRAConfiguration(rank: 2, alpha: 4), for: model, seed: 1)
        let url = folder.url.appending(path: "adapter")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        try adapter.save(to: url)
        return url.path
    }

    @Test("A limit asks so many problems, also where a training configuration's own evaluations ask fewer")
    func theLimitCounts() throws {
        let recipe = try folder.write(
            Data("model: \(model)\ndataset_name: arithmetic\neval_size: 3\n".utf8), as: "recipe.yaml")
        for (arguments, count) in [([], 3.0), (["--limit", "5"], 5), (["--limit", "2"], 2)] {
            let fields = try object(try eval([recipe, "--json"] + arguments))
            #expect(fields["problems"] == .number(count))
        }
    }

    @Test func jsonHasItsFields() throws {
        let fields = try object(try eval(["--limit", "12", "--temperature", "1", "--n", "2", "--json"]))
        #expect(
            Set(fields.keys) == [
                "model", "dataset", "problems", "completions_each", "temperature", "max_new_tokens", "before",
            ])
        #expect(fields["problems"] == .number(12) && fields["completions_each"] == .number(2))
        #expect(fields["dataset"] == .string("arithmetic"))
        #expect(Set(fields["before"]?.object?.keys ?? [:].keys) == ["accuracy", "mean_length", "truncated_share"])
        let strict = try share(fields["before"], "strict")
        try #require(strict.interval.count == 2)
        #expect(strict.interval[0] <= strict.value && strict.value <= strict.interval[1])
        #expect(try share(fields["before"], "lenient").value >= strict.value)
    }

    @Test func anAdapterThatChangesNothingChangesNothing() throws {
        let arguments = ["--adapter", try freshAdapter(), "--limit", "8", "--temperature", "1", "--n", "2"]
        let fields = try object(try eval(arguments + ["--json"]))
        #expect(fields["before"] == fields["after"])
        #expect(fields["change"]?.object?["strict"]?.object?["value"] == .number(0))
        let table = try eval(arguments)
        #expect(table.status == 0 && table.errors.isEmpty, "\(table.errors)")
        let lines = table.output.split(separator: "\n")
        #expect(
            lines.allSatisfy { $0.count <= 80 || $0.contains(folder.url.path) || $0.contains(model) }, "\(table.output)"
        )
        #expect(lines.contains { $0.hasPrefix("strict") && $0.contains("+0.0 (0.0 to 0.0)") }, "\(table.output)")
    }

    @Test func aFileIsGradedByItsReferenceAnswers() throws {
        let rows = (1...5).map {
            #"{"problem": "Tom has \#($0) pens and buys 7 more. How many pens does Tom have?", "gold": "x #### \#($0 + 7)"}"#
        }
        let data = try folder.write(Data(rows.joined(separator: "\n").utf8), as: "test.jsonl")
        let columns = ["--prompt-column", "problem", "--answer-column", "gold", "--answer-extraction", "after_hashes"]
        let fields = try object(try eval(["--dataset", data, "--limit", "4", "--json"] + columns))
        #expect(fields["problems"] == .number(4) && fields["dataset"] == .string(data))
    }

    @Test func answersGoToAFile() throws {
        let path = folder.url.appending(path: "answers.jsonl").path
        let fields = try object(try eval(["--limit", "5", "--output", path, "--json"]))
        let rows = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map {
            try JSONDecoder().decode([String: JSONValue].self, from: Data($0.utf8))
        }
        try #require(rows.count == 5)
        #expect(rows.allSatisfy { Set($0.keys) == ["problem", "prompt", "answer", "before"] })
        let right = rows.count { $0["before"]?.array?.first?.object?["strict"] == .bool(true) }
        #expect(try share(fields["before"], "strict").value == Double(right) / 5)
        let refused = try eval(["--limit", "1", "--output", path + "/x"])
        #expect(refused.status == 2 && refused.errorLines.count == 1, "\(refused.errors)")
        let taken = try eval(["--limit", "1", "--output", path])
        #expect(taken.status == 2 && taken.errors.contains("answers.jsonl exists; give a new name, or --overwrite"))
        #expect(try eval(["--limit", "1", "--output", path, "--overwrite"]).status == 0)
        #expect(try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").count == 1)
    }

    @Test func aTrainingConfigurationSaysWhatIsEvaluated() throws {
        let config = try folder.write(
            Data("model_name_or_path: \(model)\nload_in_4bit: false\nmax_completion_length: 9\neval_size: 3\n".utf8),
            as: "run.yaml")
        let fields = try object(try Program.run(["eval", config, "--json"]))
        #expect(fields["model"] == .string(model) && fields["problems"] == .number(3))
        #expect(fields["max_new_tokens"] == .number(9))
        #expect(fields["before"]?.object?["truncated_share"] == .number(1))
    }

    @Test(arguments: [
        (["--n", "4"], "--n 4 needs --temperature above 0: greedy answers are all alike (see `apus --help`)"),
        (["--limit", "0"], "The value '0' is invalid for '--limit <limit>': must be at least 1 (see `apus --help`)"),
        (["--dataset", "nowhere.jsonl"], "nowhere.jsonl: "),
        (["--adapter", "nowhere"], "nowhere"),
        (["--temperature", "nan"], "The value 'nan' is invalid for '--temperature <temperature>': expected a number"),
    ])
    func badInputIsOneLine(arguments: [String], text: String) throws {
        let outcome = try eval(arguments)
        #expect(outcome.status == 2 && outcome.errorLines.count == 1, "\(outcome.errors)")
        #expect(outcome.errors.contains(text), "\(outcome.errors)")
        #expect(outcome.output.isEmpty)
    }

    @Test func dataWithoutReferenceAnswersAreRefused() throws {
        let data = try folder.write(Data(#"{"question": "1+1"}"#.utf8), as: "data.jsonl")
        let outcome = try eval(["--dataset", data])
        #expect(outcome.status == 2 && outcome.errorLines.count == 1, "\(outcome.errors)")
        #expect(outcome.errors.contains("wanted column 'answer'"), "\(outcome.errors)")
    }

    private func training(_ arguments: [String]) -> [String] {
        [
            "train", "--model", model, "--load_in_4bit", "false", "--reward_funcs", "demo",
            "--per_device_train_batch_size", "8", "--num_generations", "4", "--max_completion_length", "16",
            "--max_steps", "2", "--logging_steps", "1", "--learning_rate", "1e-3",
        ] + arguments
    }

    @Test func evaluationLeavesTheAdapterAsItWouldBe() throws {
        var adapters: [Data] = []
        for options in [[], ["--eval_strategy", "steps", "--eval_on_start", "true", "--eval_size", "6"]] {
            let output = folder.url.appending(path: "run\(options.count)")
            let outcome = try Program.run(training(["--output_dir", output.path]) + options)
            try #require(outcome.status == 0, "\(outcome.errors)")
            let lines = outcome.output.split(separator: "\n").filter { $0.hasPrefix("eval after step ") }
            #expect(lines.count == (options.isEmpty ? 0 : 3))
            #expect(lines.allSatisfy { $0.contains("  reward ") && $0.contains("  accuracy ") })
            adapters.append(
                try Data(contentsOf: output.appending(path: "checkpoint-2/adapter_model.safetensors")))
            let log = try String(contentsOf: output.appending(path: "metrics.jsonl"), encoding: .utf8)
            #expect(log.split(separator: "\n").count { $0.contains("\"eval_reward\"") } == (options.isEmpty ? 0 : 3))
        }
        #expect(adapters[0] == adapters[1])
    }

    @Test(
        "Bad input 27: evaluation without data to evaluate on, or with an impossible share of them",
        arguments: [
            (
                ["--eval_strategy", "epoch"],
                "eval_strategy: 'epoch' needs data: give eval_dataset_name, or eval_size to split"
            ),
            (
                ["--eval_strategy", "steps", "--eval_size", "9"],
                "eval_size: wanted 1 to 3 of the 4 rows for evaluation, found 9"
            ),
            (["--eval_size", "-1"], "--eval_size: must be at least 1, or a share above 0, found -1"),
            (["--eval_size", "0.5", "--eval_dataset", "arithmetic"], "--eval_size: must be at least 1, found 0.5"),
        ])
    func impossibleEvaluations(arguments: [String], text: String) throws {
        let rows = (1...4).map { #"{"question": "\#($0)+1", "answer": \#($0 + 1)}"# }
        let data = try folder.write(Data(rows.joined(separator: "\n").utf8), as: "train.jsonl")
        let output = folder.url.appending(path: "run").path
        let outcome = try Program.run(training(["--output_dir", output, "--dataset_name", data]) + arguments)
        #expect(outcome.status == 2 && outcome.errorLines.count == 1, "\(outcome.errors)")
        #expect(outcome.errors.contains(text), "\(outcome.errors)")
        #expect(!FileManager.default.fileExists(atPath: output))
    }

    @Test func aShareOfTheTrainingFileIsSplitOff() throws {
        let rows = (1...10).map { #"{"question": "\#($0)+1", "answer": \#($0 + 1)}"# }
        let data = try folder.write(Data(rows.joined(separator: "\n").utf8), as: "train.jsonl")
        let run = try RunConfiguration(arguments: [
            "--model", "m", "--dataset_name", data, "--eval_strategy", "epoch", "--eval_size", "0.2",
        ])
        let (training, evaluation) = try run.makeDatasets()
        #expect(training.count == 8 && evaluation?.count == 2)
        #expect(try run.makeDatasetToEvaluate(count: nil, nil) == evaluation)
    }
}

@Suite struct EvaluationLineTests {
    @Test func lesserPartsGoFirst() throws {
        var record = #"{"eval_reward": 1.5, "eval_accuracy/strict": 0.5, "eval_accuracy/lenient": 0.75, "#
        record +=
            #""eval_completions/mean_length": 20.25, "eval_completions/clipped_ratio": 0, "eval_runtime": 3, "step": 4}"#
        let report = EvaluationReport(
            step: 4, record: try JSONDecoder().decode(MetricsRecord.self, from: Data(record.utf8)), samples: [],
            completions: [])
        let line = EvaluationLine(report)
        #expect(
            line.text()
                == "eval after step 4  reward 1.500  accuracy 50.0 % (lenient 75.0 %)  length 20.2  cut 0.0 %  in 3 s")
        #expect(line.text(columns: 70) == "eval after step 4  reward 1.500  accuracy 50.0 % (lenient 75.0 %)")
        #expect(line.text(columns: 10) == "eval after step 4  reward 1.500")
    }

    @Test func functionsAndWhatTheyLoggedAreShownWhereThereIsRoom() throws {
        let values = [
            #""eval_reward": 1.5"#, #""eval_rewards/a_reward_func/mean": 0.5"#,
            #""eval_rewards/a_reward_func/std": 0.1"#,
            #""eval_rewards/b": 1"#, #""eval_rewards/b/mean": 1"#, #""eval_longest": 12.5"#, #""eval_runtime": 3"#,
            #""step": 4"#,
        ]
        let record = try JSONDecoder().decode(
            MetricsRecord.self, from: Data("{\(values.joined(separator: ", "))}".utf8))
        let logged = record.entries.filter { $0.name == "eval_longest" }.map {
            MetricsRecord.Entry(name: "longest", value: $0.value)
        }
        let line = EvaluationLine(
            EvaluationReport(step: 4, record: record, loggedByRewards: logged, samples: [], completions: []))
        #expect(line.text() == "eval after step 4  reward 1.500  (a 0.50, b 1.00)  in 3 s  longest 12.5")
        #expect(line.text(columns: 60) == "eval after step 4  reward 1.500  (a 0.50, b 1.00)  in 3 s")
        #expect(line.text(columns: 45) == "eval after step 4  reward 1.500  in 3 s")
    }
}
