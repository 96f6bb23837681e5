import ApusData
import ApusTensor
import ApusTestSupport
import Foundation
import Testing

@testable import ApusTrain

/// A supervised run that is continued must be the run that nobody stopped.
@Suite struct SFTResumeTests {
    /// 13 examples of different lengths and tokens.
    private static let examples = (0..<13).map { index in
        let tokens = (0...(index % 5)).map { Int32(index + 2 * $0 + 1) }
        return TrainingExample(prompt: [1], completion: tokens, isLearnt: tokens.map { $0 % 3 != 0 || $0 == 3 })
    }

    private func configuration(_ folder: TemporaryFolder, packing: Bool = false) -> SFTConfiguration {
        var configuration = SFTConfiguration()
        configuration.output.outputDir = folder.url.path
        configuration.perDeviceTrainBatchSize = packing ? 1 : 2
        configuration.gradientAccumulationSteps = 2
        configuration.packing = packing
        configuration.maxLength = 12
        configuration.optimizer.learningRate = 0.05
        configuration.optimizer.warmupSteps = 2
        configuration.output.loggingSteps = 3
        configuration.optimizer.maxSteps = 10
        configuration.output.saveSteps = 1
        return configuration
    }

    @discardableResult
    private func run(
        _ configuration: SFTConfiguration, _ learner: FakeLearner, examples: [TrainingExample] = examples,
        stopAt: Int? = nil
    ) async throws -> EventRecorder {
        let recorder = EventRecorder()
        let trainer = try SFTTrainer(
            configuration: configuration, learner: learner, examples: examples, tokenizer: NoTokenizer())
        let stop = trainer.stopSignal
        trainer.onEvent = { event in
            recorder.append(event)
            if case .stepFinished(step: stopAt, of: _) = event { stop.request() }
        }
        _ = try await trainer.run()
        return recorder
    }

    private func log(_ folder: TemporaryFolder) throws -> String {
        try String(contentsOf: folder.url.appending(path: "metrics.jsonl"), encoding: .utf8)
    }

    @Test("Bad input 37: a supervised run that was stopped goes on bit for bit", arguments: [false, true], 1..<10)
    func continuesBitForBit(packing: Bool, stop: Int) async throws {
        let whole = FakeLearner()
        let folder = try TemporaryFolder()
        try await run(configuration(folder, packing: packing), whole)

        let parts = try TemporaryFolder()
        var configuration = configuration(parts, packing: packing)
        configuration.output.saveSteps = 100
        let first = FakeLearner()
        try await run(configuration, first, stopAt: stop)
        configuration.output.resumeFromCheckpoint = stop % 2 == 0 ? "true" : parts.url.path + "/checkpoint-\(stop)"
        let second = FakeLearner()
        let recorder = try await run(configuration, second)

        #expect(second.parameter == whole.parameter && second.moment == whole.moment)
        #expect(first.steps + second.steps == whole.steps)
        #expect(first.gradients + second.gradients == whole.gradients)
        #expect(try log(parts) == log(folder))
        #expect(recorder.notices.contains { $0.hasPrefix("goes on after step \(stop) of ") })
    }

    @Test("Bad input 42: a flipped bit in the newest checkpoint makes the run go back to the one before")
    func damaged() async throws {
        let folder = try TemporaryFolder()
        let whole = FakeLearner()
        try await run(configuration(folder), whole)
        let wanted = try log(folder)
        let file = folder.url.appending(path: "checkpoint-10/optimizer.safetensors")
        var data = try Data(contentsOf: file)
        data[0] ^= 1
        try data.write(to: file)
        var configuration = configuration(folder)
        configuration.output.resumeFromCheckpoint = "true"
        let again = FakeLearner()
        let recorder = try await run(configuration, again)
        #expect(recorder.warnings.count == 1)
        #expect(recorder.warnings[0].contains("checkpoint-10 is damaged: optimizer.safetensors"))
        #expect(recorder.warnings[0].hasSuffix("going back to checkpoint-9"))
        #expect(again.parameter == whole.parameter && again.steps.count == 1)
        #expect(try log(folder) == wanted)
        #expect(SavedCheckpoint.fault(in: folder.url.appending(path: "checkpoint-10")) == nil)
    }

    @Test("Bad input 41: other data, another model and other settings are refused in one message")
    func otherRun() async throws {
        let folder = try TemporaryFolder()
        try await run(configuration(folder), FakeLearner(), stopAt: 2)
        var configuration = configuration(folder)
        configuration.output.resumeFromCheckpoint = "true"
        configuration.perDeviceTrainBatchSize = 4
        configuration.seed = 7
        configuration.optimizer.learningRate = 0.01
        var examples = Self.examples
        examples[3].isLearnt[0].toggle()
        let error = await #expect(throws: TrainingError.self) {
            try await run(configuration, FakeLearner(), examples: examples)
        }
        #expect(error?.isBadInput == true && error?.code == .resume)
        let text = error?.description ?? ""
        for part in [
            "dataset (13 examples, sha256 ", "per_device_train_batch_size (2 before, 4 now)", "seed (42 before, 7 now)",
            "force_resume: true",
        ] { #expect(text.contains(part), "\(part) in \(text)") }
        #expect(!text.contains("\n") && !text.contains("learning_rate"))

        configuration.output.forceResume = true
        let forced = FakeLearner()
        let recorder = try await run(configuration, forced, examples: examples)
        #expect(recorder.warnings.first?.hasPrefix("force_resume: ") == true)
        #expect(forced.steps.map(\.step) == Array(3...10))
    }

    @Test func aCheckpointOfWhatWasTrainedAloneIsNoRun() async throws {
        let folder = try TemporaryFolder()
        var configuration = configuration(folder)
        configuration.output.saveOnlyModel = true
        configuration.output.saveTotalLimit = 2
        try await run(configuration, FakeLearner())
        #expect(folder.names.filter { $0.hasPrefix("checkpoint") } == ["checkpoint-10", "checkpoint-9"])
        let files = try FileManager.default.contentsOfDirectory(
            atPath: folder.url.appending(path: "checkpoint-10").path)
        #expect(files.sorted() == ["apus_manifest.json", "model.safetensors", "trainer_state.json"])
        configuration.output.resumeFromCheckpoint = folder.url.appending(path: "checkpoint-9").path
        let error = await #expect(throws: TrainingError.self) { try await run(configuration, FakeLearner()) }
        #expect(error?.description.contains("holds what was trained alone (save_only_model)") == true)
    }

    @Test("Bad input 40: a second supervised run in a folder is refused")
    func twoRuns() async throws {
        let folder = try TemporaryFolder()
        let first = try RunDirectory(path: folder.url.path)
        let error = await #expect(throws: TrainingError.self) { try await run(configuration(folder), FakeLearner()) }
        #expect(error?.code == .outputFolder)
        withExtendedLifetime(first) {}
    }

    @Test("Bad input 33: what was skipped is counted in the log, also after the run goes on")
    func skipped() async throws {
        let folder = try TemporaryFolder()
        let learner = FakeLearner()
        learner.norm = .infinity
        var configuration = configuration(folder)
        configuration.output.loggingSteps = 1
        try await run(configuration, learner, stopAt: 2)
        configuration.output.resumeFromCheckpoint = "true"
        let recorder = try await run(configuration, FakeLearner())
        #expect(recorder.records.map { $0["skipped_steps"] } == Array(repeating: 2, count: 8))
    }
}
