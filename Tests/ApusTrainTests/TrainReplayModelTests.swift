import ApusFormats
import ApusGeneration
import ApusModel
import ApusTestModels
import ApusTestSupport
import Foundation
import Synchronization
import Testing

@testable import ApusTrain

/// Both recorded runs of TRL's trainer on the real model, with the recorded completions in the place of its samples: every loss, gradient norm and metric of every log line, and the
/// adapter's tensors after the first and the last step.
struct TrainReplayModelTests {
    @Test(arguments: [("dapo", true), ("reuse", false)])
    func agreesWithTheRecordedRun(name: String, referenceIsInitialAdapter: Bool) async throws {
        let run = try RecordedRun.named(name)
        let folder = try TemporaryFolder()
        let (model, adapter, initial) = try withModelFolder(copying: "tiny_llama") { path in
            let model = try LanguageModel(path: path, precision: .f32)
            let adapters = try (0..<2).map { _ in try LoRAAdapter(directory: URL(filePath: path), for: model) }
            return (model, adapters[0], adapters[1])
        }
        let learner = ModelLearner(adapter, of: model, reference: referenceIsInitialAdapter ? initial : nil)
        // The adapter's parameters after each optimizer step.
        let snapshots = Mutex<[[Float]]>([])
        let policy = Policy(sampler: RecordedRollouts(run), learner: learner)
        let (_, records) = try await run.replay(policy: policy, outputDir: folder.url.path) {
            snapshots.withLock { $0.append(adapter.parameters) }
        }
        var keys = Dictionary(uniqueKeysWithValues: RecordedRun.rolloutKeys.map { ($0, 1e-6) })
        keys.merge(["learning_rate": 1e-9, "epoch": 1e-12, "step": 0, "loss": 2e-5, "grad_norm": 1e-4]) { $1 }
        keys.merge(["kl": 2e-5, "entropy": 1e-5]) { $1 }
        for part in ["low_mean", "high_mean", "region_mean", "low_min", "high_max"] {
            keys["clip_ratio/\(part)"] = 1e-6
        }
        run.check(records, keys: keys)
        let file = try SafetensorsFile(path: Fixture.url("trl_train.safetensors").path)
        let all = snapshots.withLock { $0 }
        for step in [1, all.count] { try check(all[step - 1], adapter, file, prefix: "\(name).step\(step).") }
    }

    /// Adam turns a gradient near 0 into a step of full size, so rounding may show in single elements.
    private func check(
        _ parameters: [Float], _ adapter: LoRAAdapter, _ file: SafetensorsFile, prefix: String
    ) throws {
        var differing = 0
        for tensor in adapter.tensors {
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
