import ApusData
import ApusTestSupport
import Foundation

@testable import ApusTrain

/// A run of the fake policy in a folder, in as few words as a test needs.
struct ShortRun {
    let folder: TemporaryFolder
    var policy = FakePolicy()
    var prompts = 4
    var rewards: [any RewardFunction] = [GRPOTrainerTests.parity]
    var configuration: GRPOConfiguration
    let recorder = EventRecorder()

    init(_ folder: TemporaryFolder, steps: Int, _ change: (inout GRPOConfiguration) -> Void = { _ in }) {
        self.folder = folder
        configuration = GRPOTrainerTests.configuration(folder)
        configuration.output.saveStrategy = .steps
        configuration.output.saveSteps = 1
        configuration.optimizer.learningRate = 0.05
        configuration.optimizer.lrSchedulerType = .constant
        configuration.optimizer.maxSteps = steps
        change(&configuration)
    }

    /// - Parameter onStep: called with each step that is done.
    func run(onStep: (@Sendable (Int) -> Void)? = nil) async throws {
        let trainer = try GRPOTrainer(
            configuration: configuration, policy: policy, tokenizer: NumberTokenizer(),
            dataset: GRPOTrainerTests.prompts(prompts), rewards: rewards)
        trainer.onEvent = { [recorder] event in
            recorder.append(event)
            if case .stepFinished(let step, _) = event { onStep?(step) }
        }
        _ = try await trainer.run()
    }

    func checkpoint(_ step: Int) -> URL { folder.url.appending(path: "checkpoint-\(step)") }
    func file(_ name: String, of step: Int) -> URL { checkpoint(step).appending(path: name) }
    var checkpointNames: [String] { folder.names.filter { $0.hasPrefix("checkpoint") } }
}
