import ApusData
import ApusTensor
import ApusTestSupport
import Foundation
import Testing

@testable import ApusTrain

/// Steps whose loss or gradient is not finite.
struct SkippedStepTests {
    /// Makes the gradient NaN in some steps.
    private final class UnstablePolicy: FakePolicy {
        var badSteps: Set<Int> = []
        private var step = 0

        override func gradientNorm() -> Double {
            step += 1
            return badSteps.contains(step) ? .nan : super.gradientNorm()
        }
    }

    private func run(_ folder: TemporaryFolder, badSteps: Set<Int>, limit: Int = 3) -> ShortRun {
        var run = ShortRun(folder, steps: 6) { $0.output.maxSkippedSteps = limit }
        let policy = UnstablePolicy()
        policy.badSteps = badSteps
        run.policy = policy
        return run
    }

    @Test("Bad input 33: a step that is not finite changes nothing, is counted and does not end the run")
    func skippedStepsAreCounted() async throws {
        let folder = try TemporaryFolder()
        let run = run(folder, badSteps: [2, 3, 5])
        try await run.run()
        #expect(run.policy.optimizerSteps.map(\.step) == [1, 2, 3])
        #expect(run.recorder.records.map { $0["skipped_steps"] } == [nil, 1, 2, 2, 3, 3])
        #expect(run.recorder.warnings.map { String($0.prefix(17)) } == [2, 3, 5].map { "step \($0) is skipped" })
        #expect(!folder.names.contains { $0.hasPrefix("skipped") })
    }

    @Test("The sampler is given the parameters as each step that was applied left them, and no others")
    func theSamplerTakesWhatWasApplied() async throws {
        let folder = try TemporaryFolder()
        let run = run(folder, badSteps: [2, 3])
        try await run.run()
        #expect(run.policy.published.count == 1 + 4)
        #expect(run.policy.published.first == -1 && run.policy.published.last == run.policy.parameter)
        #expect(Set(run.policy.published).count == 5)
    }

    @Test("A step that is skipped does not move the entropy bonus")
    func theEntropyBonusStays() async throws {
        let folder = try TemporaryFolder()
        var run = run(folder, badSteps: [2, 3])
        run.configuration.useAdaptiveEntropy = true
        run.configuration.entropyTarget = 10
        run.configuration.entropyCoefMax = 1
        try await run.run()
        let weights = run.recorder.records.map { $0["entropy_coef"] ?? .nan }
        #expect(weights[1] == weights[0] && weights[2] == weights[0] && weights[3] > weights[0], "\(weights)")
    }

    @Test("Bad input 33: after max_skipped_steps in a row the run stops and the batch is in a file", arguments: [1, 3])
    func theBatchIsWritten(limit: Int) async throws {
        let folder = try TemporaryFolder()
        let run = run(folder, badSteps: [2, 3, 4], limit: limit)
        let error = await #expect(throws: TrainingError.self) { try await run.run() }
        let last = 1 + limit
        #expect(error?.code == .notFinite && error?.isBadInput == false)
        let text = error?.description ?? ""
        #expect(text.contains("the gradient is not finite in \(limit) steps in a row"), "\(text)")
        #expect(text.contains("lower learning_rate or max_grad_norm"), "\(text)")
        let file = folder.url.appending(path: "skipped-step-\(last).json")
        #expect(text.contains(file.path))
        let tree = try JSONDecoder().decode([String: JSONValue].self, from: Data(contentsOf: file))
        #expect(tree["step"] == .number(Double(last)) && tree["not_finite"] == "gradient" && tree["grad_norm"] == "nan")
        let rows = try #require(tree["rows"]?.array).compactMap(\.object)
        #expect(rows.count == 4)
        #expect(rows[0]["completion"] == "7" && rows[1]["completion"] == "7 7")
        #expect(rows[0]["rewards"] == .object(["parity": 1.0]) && rows[1]["rewards"] == .object(["parity": 0.0]))
        #expect(rows.allSatisfy { $0["prompt"]?.string != nil && ($0["advantage"]?.number ?? 0) != 0 })
        #expect(rows[1]["sampling_logprobs"] == .array([-1.0, -1.0]) && rows[1]["logprobs"]?.array?.count == 2)
    }

    private func restoring(_ folder: TemporaryFolder, badSteps: Set<Int>) -> ShortRun {
        var run = run(folder, badSteps: badSteps, limit: 2)
        run.configuration.onNotFinite = .restore
        return run
    }

    @Test(
        "Bad input 33: with on_not_finite restore the run goes on from a checkpoint before the last step that counted")
    func restored() async throws {
        let folder = try TemporaryFolder()
        let run = restoring(folder, badSteps: [4, 5])
        try await run.run()
        // Checkpoints 3 and 4 hold what step 4 broke on; 2 is from before. Its third step is taken again, on other prompts.
        #expect(run.policy.optimizerSteps.map(\.step) == [1, 2, 3, 3])
        #expect(run.recorder.warnings.map { String($0.prefix(17)) }.first == "step 4 is skipped")
        let text = try #require(run.recorder.warnings.last)
        #expect(text.contains("in 2 steps in a row") && text.contains("goes on with the adapter of checkpoint-2"))
        #expect(folder.names.contains("skipped-step-5.json"))
        func parameter(_ step: Int) throws -> String {
            try String(contentsOf: run.file("adapter_model.safetensors", of: step), encoding: .utf8)
        }
        #expect(try parameter(4) == parameter(3))
        #expect(try parameter(5) == parameter(2))
        #expect(try parameter(6) != parameter(2))
        #expect(run.recorder.records.last?["skipped_steps"] == 2)
    }

    @Test("Bad input 33: it goes further back when that does not help, and stops when nothing is left")
    func nothingToRestore() async throws {
        let folder = try TemporaryFolder()
        let run = restoring(folder, badSteps: [3, 4, 5, 6])
        let error = await #expect(throws: TrainingError.self) { try await run.run() }
        #expect(error?.code == .notFinite)
        #expect(run.recorder.warnings.count { $0.contains("goes on with the adapter of checkpoint-1") } == 1)
        #expect(folder.names.filter { $0.hasPrefix("skipped") } == ["skipped-step-4.json", "skipped-step-6.json"])
        let none = try TemporaryFolder()
        let first = restoring(none, badSteps: [1, 2])
        let immediate = await #expect(throws: TrainingError.self) { try await first.run() }
        #expect(immediate?.description.contains("earlier checkpoints are intact") == true)
    }

    @Test("Bad input 33: log-probabilities that are NaN are named, and are in the file as text")
    func brokenModel() async throws {
        let folder = try TemporaryFolder()
        let run = ShortRun(folder, steps: 6)
        run.policy.parameter = -.infinity
        let error = await #expect(throws: TrainingError.self) { try await run.run() }
        #expect(error?.description.hasPrefix("the model's log-probabilities are not finite in 3 steps") == true)
        let data = try Data(contentsOf: folder.url.appending(path: "skipped-step-3.json"))
        let tree = try JSONDecoder().decode([String: JSONValue].self, from: data)
        #expect(tree["rows"]?.array?[0].object?["logprobs"] == .array(["-inf"]))
    }

    @Test("Bad input 33: the count of skipped steps survives a stop")
    func theCountIsPartOfTheState() async throws {
        let folder = try TemporaryFolder()
        var run = run(folder, badSteps: [2])
        run.configuration.optimizer.maxSteps = 3
        try await run.run()
        let again = ShortRun(folder, steps: 5) { $0.output.resumeFromCheckpoint = "true" }
        try await again.run()
        #expect(again.recorder.records.map { $0["skipped_steps"] } == [1, 1])
        #expect(again.policy.optimizerSteps.map(\.step) == [3, 4])
    }
}
