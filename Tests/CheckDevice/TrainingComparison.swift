import ApusData
import ApusModel
import ApusTensor
import ApusTestModels
import ApusTestSupport
import ApusTrain
import Foundation
import Synchronization

/// Some steps of supervised training on two devices: the same tokens, so that their losses can be compared.
struct TrainingComparison {
    let precision: WeightPrecision
    private static let steps = 3

    /// How far the second device may be from the first: weights of 16 bits and fewer are multiplied in bf16 on a card.
    private var tolerance: Double { precision == .f32 ? 1e-4 : 2e-2 }

    func figures(of device: any Backend, beside reference: any Backend) async throws -> [CheckFigure] {
        let (found, expected) = (try await records(device), try await records(reference))
        guard found.count == Self.steps, expected.count == Self.steps else { return [] }
        return zip(found, expected).flatMap { found, expected in
            ["loss", "grad_norm", "entropy"].map { key in
                let (value, wanted) = (found[key] ?? .nan, expected[key] ?? .nan)
                let difference = abs(value - wanted) / abs(wanted)
                return CheckFigure(
                    subject: "\(key) of step \(found.step): \(value), on the processor \(wanted)", figure: difference,
                    tolerance: tolerance, isRight: difference < tolerance)
            }
        }
    }

    private func records(_ backend: any Backend) async throws -> [MetricsRecord] {
        let folder = try TemporaryFolder()
        let model = try withModelFolder(copying: "tiny_llama") {
            try LanguageModel(path: $0, precision: precision, backend: backend, cache: nil)
        }
        let adapter = try LoRAAdapter(LoRAConfiguration(rank: 4, alpha: 8), for: model, seed: 7)
        var configuration = SFTConfiguration()
        configuration.output.outputDir = folder.url.appending(path: "run").path
        configuration.output.loggingSteps = 1
        configuration.output.saveStrategy = .no
        configuration.perDeviceTrainBatchSize = 4
        configuration.optimizer.learningRate = 1e-2
        configuration.optimizer.maxSteps = Self.steps
        let trainer = try SFTTrainer(
            configuration: configuration, learner: ModelLearner(adapter, of: model), examples: Self.examples,
            tokenizer: NoText())
        let records = Mutex<[MetricsRecord]>([])
        trainer.onEvent = { event in
            if case .logged(let record) = event { records.withLock { $0.append(record) } }
        }
        _ = try await trainer.run()
        return withExtendedLifetime(folder) { records.withLock { $0 } }
    }

    private static let examples = TokenSequences.groups.flatMap { group in
        group.completions.map { completion in
            TrainingExample(
                prompt: group.prompt, completion: completion, isLearnt: completion.map { _ in true })
        }
    }
}

/// The run has tokens and no text.
private struct NoText: PromptTokenizer {
    func tokens(of sample: Sample) throws -> [Int32] { [] }
    func text(of completion: [Int32]) -> String { "" }
    func save(to directory: URL) throws {}
}
