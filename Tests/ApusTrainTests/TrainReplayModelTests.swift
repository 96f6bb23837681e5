import ApusFormats
import ApusGeneration
import ApusModel
import ApusTensor
import ApusTestModels
import ApusTestSupport
import Foundation
import Synchronization
import Testing

@testable import ApusTrain

/// The recorded runs of TRL's trainer on the real model, with the recorded completions in the place of its samples: every
/// loss, gradient norm and metric of every log line, and the trained tensors after steps.
struct TrainReplayModelTests {
    @Test(arguments: [("dapo", true), ("reuse", false)])
    func agreesWithTheRecordedRun(name: String, referenceIsInitialAdapter: Bool) async throws {
        let run = try RecordedRun.named(name)
        let folder = try TemporaryFolder()
        let (model, adapter, initial) = try withModelFolder(copying: "tiny_llama") { path in
            let model = try LanguageModel(path: path, precision: .f32, backend: TestDevice.backend())
            let adapters = try (0..<2).map { _ in try LoRAAdapter(directory: URL(filePath: path), for: model) }
            return (model, adapters[0], adapters[1])
        }
        let learner = ModelLearner(adapter, of: model, reference: referenceIsInitialAdapter ? initial : nil)
        // The adapter's parameters after each optimizer step.
        let snapshots = Mutex<[[Float]]>([])
        let policy = Policy(sampler: RecordedRollouts(run), learner: learner)
        let (_, records) = try await run.replay(policy: policy, outputDir: folder.url.path) {
            let parameters = try? adapter.parameters
            snapshots.withLock { $0.append(parameters ?? []) }
        }
        run.check(records, keys: Self.keys)
        let file = try SafetensorsFile(path: Fixture.url("trl_train.safetensors").path)
        let all = snapshots.withLock { $0 }
        for step in [1, all.count] { try check(all[step - 1], adapter.tensors, file, prefix: "\(name).step\(step).") }
    }

    @Test("All weights: losses to 1e-5, and every weight after the last step")
    func allWeights() async throws {
        let run = try RecordedRun.named("full", in: "trl_train_full.json")
        let folder = try TemporaryFolder()
        // The folder is read again when the model is saved.
        let source = try TemporaryFolder()
        for name in ["tiny_llama/config.json", "tiny_llama/model.safetensors", "base96-slips/tokenizer.json"] {
            _ = try source.write(Data(contentsOf: Fixture.url(name)), as: (name as NSString).lastPathComponent)
        }
        let parameters = try FullParameters(directory: source.url, backend: TestDevice.backend(threads: 2))
        let policy = Policy(sampler: RecordedRollouts(run), learner: ModelLearner(parameters))
        let (_, records) = try await run.replay(policy: policy, outputDir: folder.url.path)
        withExtendedLifetime(source) {}
        run.check(records, keys: Self.keys.merging(["loss": 1e-5]) { $1 })
        let file = try SafetensorsFile(path: Fixture.url("trl_train_full.safetensors").path)
        try check(parameters.parameters, parameters.tensors, file, prefix: "full.step6.")
    }

    /// The keys of a log line that are compared, each with its tolerance.
    private static let keys: [String: Double] = {
        var keys = Dictionary(uniqueKeysWithValues: RecordedRun.rolloutKeys.map { ($0, 1e-6) })
        keys.merge(["learning_rate": 1e-9, "epoch": 1e-12, "step": 0, "loss": 2e-5, "grad_norm": 1e-4]) { $1 }
        keys.merge(["kl": 2e-5, "entropy": 1e-5]) { $1 }
        for part in ["low_mean", "high_mean", "region_mean", "low_min", "high_max"] {
            keys["clip_ratio/\(part)"] = 1e-6
        }
        return keys
    }()

    /// Adam turns a gradient near 0 into a step of full size, so rounding may show in single elements.
    private func check(
        _ parameters: [Float], _ tensors: [ParameterTensor], _ file: SafetensorsFile, prefix: String
    ) throws {
        var differing = 0
        for tensor in tensors {
            let bytes = try file.readBytes(prefix + tensor.name)
            #expect(bytes.count == 4 * tensor.range.count)
            for (index, parameter) in parameters[tensor.range].enumerated() {
                let pattern = (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[4 * index + $1]) << (8 * $1) }
                if abs(Float(bitPattern: pattern) - parameter) > 1e-5 { differing += 1 }
            }
        }
        #expect(differing <= parameters.count / 1000, "\(prefix): \(differing) of \(parameters.count) elements differ")
    }
}
