import ApusFormats
import ApusGeneration
import ApusModel
import ApusTestModels
import ApusTestSupport
import Foundation
import Testing

@testable import ApusTrain

/// Both recorded runs of TRL's trainer on the real model: every loss, gradient norm and metric of every log line, and the
/// adapter's tensors after the first and the last step.
struct TrainReplayModelTests {
    /// The real model with the recorded completions in the place of its own samples.
    private final class RecordedModelPolicy: RecordedRollouts {
        let base: ModelPolicy
        /// What the KL term refers to: the adapter that the run started from, or the base model.
        private let reference: TrainingPass?

        init(_ run: RecordedRun, referenceIsInitialAdapter: Bool) throws {
            let (model, adapter, initial) = try withModelFolder(copying: "tiny_llama") { path in
                let model = try LanguageModel(path: path, precision: .f32)
                let adapters = try (0..<2).map { _ in try LoRAAdapter(directory: URL(filePath: path), for: model) }
                return (model, adapters[0], adapters[1])
            }
            base = ModelPolicy(model: model, adapter: adapter)
            reference = referenceIsInitialAdapter ? TrainingPass(model: model, adapter: initial) : nil
            super.init(run)
        }

        override func score(
            _ groups: [TokenGroup], temperature: Float, adapterEnabled: Bool
        ) throws -> [[TokenScores]] {
            if !adapterEnabled, let reference {
                return try reference.score(groups, temperature: temperature, adapterEnabled: true)
            }
            return try base.score(groups, temperature: temperature, adapterEnabled: adapterEnabled)
        }
        override func forward(_ groups: [TokenGroup], temperature: Float) throws -> [[TokenScores]] {
            try base.forward(groups, temperature: temperature)
        }
        override func backward(_ logProbGradients: [[[Float]]], entropyGradients: [[[Float]]]?) throws {
            try base.backward(logProbGradients, entropyGradients: entropyGradients)
        }
        override func zeroGradients() { base.zeroGradients() }
        override func gradientNorm() -> Double { base.gradientNorm() }
        override func scaleGradients(by factor: Float) { base.scaleGradients(by: factor) }
        override func optimizerStep(_ parameters: OptimizerStep) {
            base.optimizerStep(parameters)
            snapshots.append(base.adapter.parameters)
        }
        /// The adapter's parameters after each optimizer step.
        private(set) var snapshots: [[Float]] = []
    }

    @Test(arguments: [("dapo", true), ("reuse", false)])
    func agreesWithTheRecordedRun(name: String, referenceIsInitialAdapter: Bool) async throws {
        let run = try RecordedRun.named(name)
        let folder = try TemporaryFolder()
        let policy = try RecordedModelPolicy(
            run, referenceIsInitialAdapter: referenceIsInitialAdapter)
        let (_, records) = try await run.replay(policy: policy, outputDir: folder.url.path)
        var keys = Dictionary(uniqueKeysWithValues: RecordedRun.rolloutKeys.map { ($0, 1e-6) })
        keys.merge(["learning_rate": 1e-9, "epoch": 1e-12, "step": 0, "loss": 2e-5, "grad_norm": 1e-4]) { $1 }
        keys.merge(["kl": 2e-5, "entropy": 1e-5]) { $1 }
        for part in ["low_mean", "high_mean", "region_mean", "low_min", "high_max"] {
            keys["clip_ratio/\(part)"] = 1e-6
        }
        run.check(records, keys: keys)
        let file = try SafetensorsFile(path: Fixture.url("trl_train.safetensors").path)
        for step in [1, policy.snapshots.count] {
            try check(policy.snapshots[step - 1], policy.base.adapter, file, prefix: "\(name).step\(step).")
        }
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
