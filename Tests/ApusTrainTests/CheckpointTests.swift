import ApusData
import ApusTensor
import ApusTestSupport
import Foundation
import Testing

@testable import ApusTrain

/// What a run leaves on disk, also when the disk or the process fails.
struct CheckpointTests {
    private func trainer(
        _ folder: TemporaryFolder, _ policy: FakePolicy = FakePolicy(), _ change: (inout GRPOConfiguration) -> Void
    ) throws -> GRPOTrainer {
        var configuration = GRPOTrainerTests.configuration(folder)
        configuration.output.saveStrategy = .steps
        change(&configuration)
        return try GRPOTrainer(
            configuration: configuration, policy: policy, tokenizer: NumberTokenizer(),
            dataset: GRPOTrainerTests.prompts(4), rewards: [GRPOTrainerTests.parity])
    }

    @Test func aCheckpointIsWrittenAtTheEnd() async throws {
        let folder = try TemporaryFolder()
        _ = try await trainer(folder) { $0.output.saveSteps = 250 }.run()
        #expect(folder.names == [".apus.lock", "checkpoint-3", "metrics.jsonl"])
        let files = try FileManager.default.contentsOfDirectory(
            atPath: folder.url.appending(path: "checkpoint-3").path)
        #expect(
            files.sorted() == [
                "adapter_model.safetensors", "apus_manifest.json", "apus_state.json", "optimizer.safetensors",
                "tokenizer.json", "trainer_state.json",
            ])
    }

    @Test func trainerStateHasThePortableKeys() async throws {
        let folder = try TemporaryFolder()
        _ = try await trainer(folder) { _ in }.run()
        let data = try Data(contentsOf: folder.url.appending(path: "checkpoint-3/trainer_state.json"))
        let tree = try JSONDecoder().decode([String: JSONValue].self, from: data)
        let keys: Set = [
            "best_metric", "best_model_checkpoint", "epoch", "eval_steps", "global_step", "is_hyper_param_search",
            "is_local_process_zero", "is_world_process_zero", "log_history", "logging_steps", "max_steps",
            "num_input_tokens_seen", "num_train_epochs", "save_steps", "stateful_callbacks", "total_flos",
            "train_batch_size", "trial_name", "trial_params",
        ]
        #expect(Set(tree.keys) == keys)
        #expect(tree["global_step"] == .number(3) && tree["best_metric"] == .null)
        let history = try #require(tree["log_history"]?.array)
        #expect(history.count == 3)
        #expect(history[2].object?["step"] == .number(3))
        #expect(history[2].object?["reward"] == .number(0.5))
        #expect(data.last == UInt8(ascii: "\n"))
    }

    @Test func metricsFileHoldsTheLoggedLines() async throws {
        let folder = try TemporaryFolder()
        let recorder = EventRecorder()
        let trainer = try trainer(folder) { _ in }
        trainer.onEvent = { recorder.append($0) }
        _ = try await trainer.run()
        let text = try String(contentsOf: folder.url.appending(path: "metrics.jsonl"), encoding: .utf8)
        #expect(text == recorder.records.map { $0.json + "\n" }.joined())
        let lines = text.split(separator: "\n")
        #expect(lines.count == 3)
        for line in lines {
            let tree = try JSONDecoder().decode([String: JSONValue].self, from: Data(line.utf8))
            #expect(tree["completion_length"] == tree["completions/mean_length"])
            #expect(tree["rewards/parity"] == tree["rewards/parity/mean"])
        }
        #expect(lines[0].hasPrefix(#"{"loss": "#))
    }

    @Test func metricsComeInTRLsOrder() async throws {
        let folder = try TemporaryFolder()
        let recorder = EventRecorder()
        let trainer = try trainer(folder) { $0.beta = 0.1 }
        trainer.onEvent = { recorder.append($0) }
        _ = try await trainer.run()
        let names = recorder.records[0].entries.map(\.name).filter { name in
            !name.hasPrefix("time/") && !name.hasPrefix("sampling/") && !name.hasPrefix("memory/")
                && name != "rewards/parity"
                && name != "completion_length" && name != "tokens_per_second"
        }
        #expect(
            names == [
                "loss", "grad_norm", "learning_rate", "num_tokens", "completions/mean_length",
                "completions/min_length", "completions/max_length", "completions/clipped_ratio",
                "completions/mean_terminated_length", "completions/min_terminated_length",
                "completions/max_terminated_length", "rewards/parity/mean", "rewards/parity/std", "reward",
                "reward_std", "frac_reward_zero_std", "kl", "entropy", "clip_ratio/low_mean", "clip_ratio/high_mean",
                "clip_ratio/region_mean", "clip_ratio/low_min", "clip_ratio/high_max", "step_time", "epoch",
            ])
        #expect(recorder.records[0].entries[3].name == "num_tokens")
    }

    @Test func aFullDiskUnderTheMetricsIsOneLine() throws {
        let log = try MetricsLog(opening: URL(filePath: "/dev/full"))
        var record = MetricsRecord(step: 1)
        record.append("loss", 1)
        let error = #expect(throws: TrainingError.self) { try log.append(record) }
        #expect(error?.description.contains("no space left on the device") == true, "\(error?.description ?? "")")
        #expect(error?.description.contains("\n") == false)
    }

    @Test func anOutputFolderThatCannotExistIsRefused() async throws {
        let folder = try TemporaryFolder()
        let file = folder.url.appending(path: "file")
        try Data().write(to: file)
        let trainer = try trainer(folder) { $0.output.outputDir = file.appending(path: "run").path }
        let error = await #expect(throws: TrainingError.self) { _ = try await trainer.run() }
        #expect(error?.code == .outputFolder && error?.isBadInput == true)
        #expect(
            error?.description.hasSuffix("file/run: not a directory; choose another folder") == true,
            "\(error?.description ?? "")")
    }

    @Test func aFolderIsFreeWhenItsRunEnds() throws {
        let folder = try TemporaryFolder()
        var run: RunDirectory? = try RunDirectory(path: folder.url.path)
        #expect(throws: TrainingError.self) { _ = try RunDirectory(path: folder.url.path) }
        withExtendedLifetime(run) {}
        run = nil
        _ = try RunDirectory(path: folder.url.path)
    }

    @Test func namesInMetricLinesAreEscaped() throws {
        var record = MetricsRecord(step: 2)
        record.append("rewards/a\"b\\c\n", .nan)
        record.append("x", 1e-7)
        #expect(record.json == #"{"rewards/a\"b\\c\u000a": null, "x": 1e-07, "step": 2}"#)
    }
}
