import ApusData
import ApusTestSupport
import ApusText
import Foundation
import Testing

@testable import ApusTrain

/// Reports as a run writes them.
struct RunReportsTests {
    private func run(
        _ folder: TemporaryFolder, rewards: [any RewardFunction] = [GRPOTrainerTests.parity],
        _ recorder: EventRecorder = EventRecorder(), _ change: (inout GRPOConfiguration) -> Void
    ) async throws -> TrainingOutcome {
        var configuration = GRPOTrainerTests.configuration(folder)
        change(&configuration)
        let trainer = try GRPOTrainer(
            configuration: configuration, policy: FakePolicy(), tokenizer: NumberTokenizer(),
            dataset: GRPOTrainerTests.prompts(4), rewards: rewards)
        trainer.onEvent = { recorder.append($0) }
        return try await trainer.run()
    }

    @Test func completionsAreWrittenWithTheirScores() async throws {
        let folder = try TemporaryFolder()
        _ = try await run(folder) {
            $0.logCompletions = true
            $0.output.loggingSteps = 2
            $0.optimizer.maxSteps = 4
        }
        let completions = folder.url.appending(path: "completions")
        let names = try FileManager.default.contentsOfDirectory(atPath: completions.path).sorted()
        #expect(names == ["completions_00002.jsonl", "completions_00004.jsonl"])
        let text = try String(contentsOf: completions.appending(path: names[0]), encoding: .utf8)
        let lines = text.split(separator: "\n")
        #expect(lines.count == 4)
        #expect(lines[0].hasPrefix(#"{"step": 2, "prompt": "1"#))
        let row = try JSONDecoder().decode([String: JSONValue].self, from: Data(lines[0].utf8))
        #expect(row["completion"] == "7" && row["parity"] == 1.0 && row["is_truncated"] == false)
        #expect((row["advantage"]?.number ?? 0) > 0)
    }

    @Test func conversationsAndMissingScoresHaveTheirJSON() throws {
        let report = RolloutReport(
            step: 1, prompts: [.messages([Message(role: "user", content: "a\n\"b\"")])], completions: ["\u{1B}é"],
            rewardNames: ["x"], rewards: [[nil]], advantages: [.nan], isTruncated: [true],
            extraColumns: ["b": ["y"], "a": [2.0]])
        #expect(
            CompletionRows(report, step: 7).lines[0]
                == #"{"step": 7, "prompt": [{"content":"a\n\"b\"","role":"user"}], "completion": "\u001bé", "#
                + #""x": null, "a": 2.0, "b": "y", "advantage": null, "is_truncated": true}"#)
        #expect(CompletionsLog.fileName(step: 123_456) == "completions_123456.jsonl")
    }

    @Test func aReportThatCannotBeWrittenIsSaidOnceAndTheRunGoesOn() async throws {
        let folder = try TemporaryFolder()
        _ = try folder.write(Data(), as: "completions")
        let recorder = EventRecorder()
        let outcome = try await run(folder, recorder) { $0.logCompletions = true }
        #expect(outcome.step == 3)
        #expect(recorder.warnings.count == 1)
        #expect(recorder.warnings.first?.hasPrefix("completions cannot be written (") == true)
    }

    @Test("Bad input 32: a run without a signal is stopped and saved when the settings say so")
    func stopsAfterEqualRewards() async throws {
        let folder = try TemporaryFolder()
        let error = await #expect(throws: TrainingError.self) {
            _ = try await run(folder, rewards: [GRPOTrainerTests.constant]) {
                $0.stopAfterEqualRewards = 5
                $0.output.saveStrategy = .steps
                $0.optimizer.maxSteps = 50
            }
        }
        #expect(error?.code == .equalRewards && error?.isBadInput == false)
        #expect(error?.description.hasPrefix("in 5 generations in a row") == true)
        #expect(folder.names.contains("checkpoint-5"))
    }

    @Test func speedAndMemoryAreLogged() async throws {
        let folder = try TemporaryFolder()
        let recorder = EventRecorder()
        _ = try await run(folder, recorder) { $0.optimizer.maxSteps = 1 }
        let record = try #require(recorder.records.first)
        #expect((record["tokens_per_second"] ?? 0) > 0)
        #expect((record["memory/resident_mib"] ?? 0) > 1)
        for name in ["time/rollout", "time/reward", "time/train", "step_time"] { #expect(record[name] != nil) }
    }
}
