import Apus
import ApusTestSupport
import Foundation
import Testing

@testable import ApusCLI

/// What files for `trl grpo --config` hold beside the trainer's own keys.
@Suite struct TRLCommandTests {
    private func resolve(_ yaml: String) throws -> RunConfiguration {
        let folder = try TemporaryFolder()
        return try RunConfiguration(arguments: [
            folder.write(Data("model: m\nuse_peft: true\n\(yaml)\n".utf8), as: "run.yaml")
        ])
    }

    private func refusal(_ yaml: String) -> String {
        do {
            _ = try resolve(yaml)
            return ""
        } catch { return "\(error)" }
    }

    @Test(arguments: [
        "env: {CUDA_VISIBLE_DEVICES: 0}", "num_processes: 4", "accelerate_config: single_gpu", "mixed_precision: bf16",
        "main_process_port: 29500", "shuffle_generation_inputs: false", "wandb_project: p", "optim: paged_adamw_8bit",
        "optim: adamw_8bit", "dynamo_backend: inductor",
    ])
    func keysOfTheLauncherAndOfOtherLibrariesAreTakenWithANotice(line: String) throws {
        #expect(try resolve(line).notices.count == 1)
    }

    @Test(arguments: ["num_processes: 1", "shuffle_generation_inputs: true", "chat_template: null", "callbacks: []"])
    func whatHappensAnywayPassesInSilence(line: String) throws {
        #expect(try resolve(line).notices.isEmpty)
    }

    @Test func olderNamesAreOtherNames() throws {
        let configuration = try resolve(
            "evaluation_strategy: steps\nwandb_log_unique_prompts: true\ndataset_prompt_column: problem")
        #expect(configuration.trainer.evalStrategy == .steps && configuration.trainer.logUniquePrompts)
        #expect(configuration.settings.promptColumn == "problem")
    }

    @Test func aListOfDatasetsIsReadAsLoadDatasetReadsThem() throws {
        let yaml = """
            datasets:
              - path: json
                data_files: [a.jsonl, b/*.jsonl]
                split: train[:10%]
              - {path: org/name, name: main, data_dir: data, columns: [q, a], fraction: 0.5}
            """
        #expect(
            try resolve(yaml).settings.trainingReferences() == [
                DatasetReference("json", files: ["a.jsonl", "b/*.jsonl"], split: SplitExpression("train[:10%]")),
                DatasetReference(
                    "org/name", configuration: "main", folder: "data", split: SplitExpression("train"),
                    columns: ["q", "a"], fraction: 0.5),
            ])
        for (line, says) in [
            ("datasets: a.jsonl", "run.yaml:3: datasets: expected a list of data sets"),
            ("datasets:\n  - {split: train}", "run.yaml:3: datasets: entry 1: wanted a path, found split"),
            ("datasets:\n  - path: a\n  - {path: b, weight: 1}", "datasets: entry 2: has no key 'weight'"),
            ("datasets:\n  - {path: b, split: 'a['}", "datasets: entry 1: split: wanted a split such as"),
            ("datasets:\n  - {path: b, fraction: 0}", "datasets: entry 1: wanted a number above 0 for fraction"),
            ("dataset_name: x\ndatasets:\n  - path: a", "datasets: names the data, and dataset_name does too"),
            ("dataset_name: x\ndataset_train_split: train[1", "run.yaml:4: dataset_train_split: wanted a split"),
            ("row_filter: 'a >'", "run.yaml:3: row_filter: "), ("prompt_template: '{{ a'", "prompt_template: "),
            ("prompt_template: x\nprompt_column: q", "keep one of them"),
        ] {
            #expect(refusal(line).contains(says), "\(refusal(line))")
        }
    }

    @Test(arguments: [
        ("chat_template: '{{ x }}'", "the template is that of the model's tokenizer"),
        ("callbacks: [push]", "there are no callbacks"), ("optim: adafactor", "only AdamW is supported"),
    ])
    func theRestIsRefusedWithItsReason(line: String, reason: String) {
        #expect(refusal(line).contains("run.yaml:3: ") && refusal(line).contains(reason), "\(refusal(line))")
    }

    @Test func argumentsOfASchedule() throws {
        let yaml = "lr_scheduler_type: cosine_with_min_lr\nlr_scheduler_kwargs:\n  min_lr_rate: 0.1"
        let configuration = try resolve(yaml)
        #expect(configuration.trainer.optimizer.lrSchedulerArguments.minLRRate == 0.1)
        let folder = try TemporaryFolder()
        let written = try RunConfiguration(
            arguments: [folder.write(Data(configuration.yaml.utf8), as: "whole.yaml")])
        #expect(written.trainer == configuration.trainer)
        #expect(refusal("lr_scheduler_type: cosine_with_min_lr").contains("needs one"))
    }
}
