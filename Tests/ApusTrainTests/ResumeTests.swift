import ApusData
import ApusTestSupport
import Foundation
import Testing

@testable import ApusTrain

/// A continued run must be the uninterrupted run.
struct ResumeTests {
    private func configuration(_ folder: TemporaryFolder, reuse: Bool) -> GRPOConfiguration {
        var configuration = GRPOTrainerTests.configuration(folder)
        configuration.maxSteps = 10
        configuration.saveStrategy = .steps
        configuration.saveSteps = 100
        configuration.learningRate = 0.05
        configuration.warmupSteps = 2
        configuration.loggingSteps = 2
        configuration.useAdaptiveEntropy = true
        configuration.entropyTarget = 1
        configuration.beta = 0.1
        configuration.gradientAccumulationSteps = 2
        if reuse {
            configuration.stepsPerGeneration = 4
            configuration.numIterations = 2
        }
        return configuration
    }

    private func run(
        _ configuration: GRPOConfiguration, policy: FakePolicy, prompts: Int = 9, stopAt: Int? = nil
    ) async throws -> [MetricsRecord] {
        policy.complete = { prompt, sample in
            FakePolicy.completion(Array(repeating: prompt[0] % 5, count: (Int(prompt[0]) + sample * sample) % 5 + 1))
        }
        let recorder = EventRecorder()
        let trainer = try GRPOTrainer(
            configuration: configuration, policy: policy, tokenizer: NumberTokenizer(),
            dataset: GRPOTrainerTests.prompts(prompts), rewards: [GRPOTrainerTests.parity])
        let stop = trainer.stopSignal
        trainer.onEvent = { event in
            recorder.append(event)
            if case .stepFinished(step: stopAt, of: _) = event { stop.request() }
        }
        _ = try await trainer.run()
        return recorder.records
    }

    /// A log line without what depends on the clock.
    private func values(_ record: MetricsRecord) -> [String: Double?] {
        let machine: Set = ["step_time", "tokens_per_second", "memory/resident_mib"]
        let entries = record.entries.filter { !$0.name.hasPrefix("time/") && !machine.contains($0.name) }
        return Dictionary(uniqueKeysWithValues: entries.map { ($0.name, $0.value) })
    }

    @Test("Bad input 37: a run that was stopped goes on bit for bit", arguments: [false, true], 1..<10)
    func continuesBitForBit(reuse: Bool, stop: Int) async throws {
        let whole = FakePolicy()
        let folder = try TemporaryFolder()
        let expected = try await run(configuration(folder, reuse: reuse), policy: whole)

        let parts = try TemporaryFolder()
        var configuration = configuration(parts, reuse: reuse)
        let first = FakePolicy()
        _ = try await run(configuration, policy: first, stopAt: stop)
        configuration.resumeFromCheckpoint = stop % 2 == 0 ? "true" : parts.url.path + "/checkpoint-\(stop)"
        let second = FakePolicy()
        let records = try await run(configuration, policy: second)

        #expect(second.parameter == whole.parameter && second.moment == whole.moment)
        #expect(first.generatedSteps + second.generatedSteps == whole.generatedSteps)
        #expect(first.optimizerSteps + second.optimizerSteps == whole.optimizerSteps)
        let lines = try String(contentsOf: parts.url.appending(path: "metrics.jsonl"), encoding: .utf8)
            .split(separator: "\n").map { try JSONDecoder().decode(MetricsRecord.self, from: Data($0.utf8)) }
        // A run that stops logs what it has. Its continuation takes back a line that the whole run did not have.
        #expect(lines.map(values) == expected.map(values))
        #expect(records.map(values) == expected.suffix(records.count).map(values))
    }
}
