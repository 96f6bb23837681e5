import ApusTensor
import ApusTestModels
import Foundation
import Testing

@testable import ApusModel

/// Every family against transformers and PEFT: random tiny models whose head sizes, windows, caps and rotary embeddings matter.
@Suite struct FamilyTests {
    @Test(arguments: FamilyModel.names)
    func logits(name: String) throws {
        let family = try FamilyModel(name)
        let (model, adapter) = try family.load(.f32, TestDevice.backend(threads: 2))
        #expect(difference(try logits(model, nil, family.tokens), try family.floats("logits")) < 1e-4)
        #expect(difference(try logits(model, adapter, family.tokens), try family.floats("adapter_logits")) < 1e-4)
    }

    @Test(arguments: FamilyModel.names)
    func lossAndGradientsOfAnAdapter(name: String) throws {
        let family = try FamilyModel(name)
        let (model, adapter) = try family.load(.f32, TestDevice.backend(threads: 2))
        let pass = TrainingPass(model: model, adapter: adapter)
        let loss = try family.floats("loss")[0]
        #expect(abs(try pass.lossWithGradients(family.group) - loss) < 1e-5 * loss)
        let gradients = try adapter.gradients
        for tensor in adapter.tensors {
            let found = relativeDifference(Array(gradients[tensor.range]), try family.floats("grad." + tensor.name))
            #expect(found < 1e-3, "\(tensor.name) differs by \(found)")
        }
    }

    @Test(arguments: FamilyModel.fullyTrained)
    func lossAndGradientsOfAllWeights(name: String) throws {
        let family = try FamilyModel(name)
        let parameters = try family.withFolder {
            try FullParameters(directory: URL(filePath: $0), backend: TestDevice.backend(threads: 2))
        }
        let pages = PageStore(model: parameters.model, contents: .layerInputs, pages: 16)
        let pass = TrainingPass(model: parameters.model, trained: .full(parameters), pages: pages)
        let loss = try family.full("full_loss")[0]
        #expect(abs(try pass.lossWithGradients(family.group) - loss) < 1e-5 * loss)
        let gradients = try parameters.gradients
        for tensor in parameters.tensors {
            let found = relativeDifference(Array(gradients[tensor.range]), try family.full("full." + tensor.name))
            #expect(found < 1e-3, "\(tensor.name) differs by \(found)")
        }
    }

    /// Logits of every position of a text, row by row.
    private func logits(_ model: LanguageModel, _ adapter: LoRAAdapter?, _ tokens: [Int32]) throws -> [Float] {
        let pages = PageStore(model: model, contents: .keysAndValues, pages: 16)
        var batch = PackedBatch()
        let offset = batch.append(table: pages.take(PageStore.pages(for: tokens.count)))
        batch.append(tokens[...], firstPosition: 0, tableOffset: offset, parentFirstRow: nil)
        let workspace = try Workspace(
            model.configuration, rank: adapter?.targets.largestRank ?? 0, capacity: tokens.count, training: false,
            on: model.backend)
        let transformer = Transformer(model: model, adapter: adapter)
        let cache = try pages.cache()
        let hidden = try transformer.forward(
            transformer.prepare(batch, cache: cache, inputs: nil), tokens: tokens, cache: cache, workspace: workspace,
            keep: nil)
        let result = try model.backend.makeMatrix(rows: tokens.count, columns: model.configuration.vocabularySize)
        model.backend.logits(hidden, head: model.head, adapter: nil, into: result)
        return try model.backend.download(result)
    }

    private func difference(_ found: [Float], _ wanted: [Float]) -> Float {
        found.count == wanted.count ? zip(found, wanted).map { abs($0 - $1) }.max() ?? 0 : .infinity
    }
}
