import ApusData
import ApusTensor
import ApusTestSupport
import Foundation
import Testing

@testable import ApusTrain

/// A continued run must be the uninterrupted run.
struct ResumeTests {
    /// What a run does beside the ordinary.
    enum Kind: CaseIterable {
        case ordinary, reusing, selecting
    }

    private func configuration(_ folder: TemporaryFolder, _ kind: Kind) -> GRPOConfiguration {
        var configuration = GRPOTrainerTests.configuration(folder)
        configuration.optimizer.maxSteps = 10
        configuration.output.saveStrategy = .steps
        configuration.output.saveSteps = 100
        configuration.optimizer.learningRate = 0.05
        configuration.optimizer.warmupSteps = 2
        configuration.output.loggingSteps = 2
        configuration.useAdaptiveEntropy = true
        configuration.entropyTarget = 1
        configuration.beta = 0.1
        configuration.gradientAccumulationSteps = 2
        switch kind {
        case .ordinary: break
        case .reusing:
            configuration.stepsPerGeneration = 4
            configuration.numIterations = 2
        case .selecting:
            // A generation in the middle of which a run may stop, and prompts that are drawn beyond it.
            configuration.stepsPerGeneration = 4
            configuration.dynamicSampling = true
            configuration.selectiveRollout = true
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

    @Test("Bad input 37: a run that was stopped goes on bit for bit", arguments: Kind.allCases, 1..<10)
    func continuesBitForBit(kind: Kind, stop: Int) async throws {
        let whole = FakePolicy()
        let folder = try TemporaryFolder()
        let expected = try await run(configuration(folder, kind), policy: whole)

        let parts = try TemporaryFolder()
        var configuration = configuration(parts, kind)
        let first = FakePolicy()
        _ = try await run(configuration, policy: first, stopAt: stop)
        configuration.output.resumeFromCheckpoint = stop % 2 == 0 ? "true" : parts.url.path + "/checkpoint-\(stop)"
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

    @Test("Bad input 35: a run that was killed between its last save and its last log line logs that line")
    func theLastLine() async throws {
        let folder = try TemporaryFolder()
        var configuration = configuration(folder, .reusing)
        configuration.optimizer.maxSteps = 9
        let expected = try await run(configuration, policy: FakePolicy())
        let log = folder.url.appending(path: "metrics.jsonl")
        let whole = try String(contentsOf: log, encoding: .utf8)
        try Data(whole.split(separator: "\n").dropLast().map { $0 + "\n" }.joined().utf8).write(to: log)
        configuration.output.resumeFromCheckpoint = "true"
        let records = try await run(configuration, policy: FakePolicy())
        #expect(records.map(values) == expected.suffix(1).map(values))
        #expect(try String(contentsOf: log, encoding: .utf8).split(separator: "\n").count == expected.count)
    }

    @Test func aRunMayGoOnInAnotherFolder() async throws {
        let whole = FakePolicy()
        let expected = try await run(configuration(try TemporaryFolder(), .reusing), policy: whole)
        let first = try TemporaryFolder()
        _ = try await run(configuration(first, .reusing), policy: FakePolicy(), stopAt: 5)
        let second = try TemporaryFolder()
        var configuration = configuration(second, .reusing)
        configuration.output.resumeFromCheckpoint = first.url.path + "/checkpoint-5"
        let policy = FakePolicy()
        _ = try await run(configuration, policy: policy)
        #expect(policy.parameter == whole.parameter && policy.moment == whole.moment)
        let lines = try String(contentsOf: second.url.appending(path: "metrics.jsonl"), encoding: .utf8)
            .split(separator: "\n").map { try JSONDecoder().decode(MetricsRecord.self, from: Data($0.utf8)) }
        #expect(lines.map(values) == expected.map(values))
        #expect(first.names.contains("checkpoint-5") && second.names.contains("checkpoint-10"))
    }
}
