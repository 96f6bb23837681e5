import ApusModel
public import ApusTensor
import Foundation

extension FamilyModel {
    /// Logits of every position of the text, without and with the adapter.
    public func logitFindings(on backend: any Backend) throws -> [ModelFinding] {
        let (model, adapter) = try load(.f32, backend)
        return [
            ModelFinding(
                subject: "logits", difference: difference(try logits(model, nil), try floats("logits")),
                tolerance: 1e-4),
            ModelFinding(
                subject: "logits with the adapter",
                difference: difference(try logits(model, adapter), try floats("adapter_logits")), tolerance: 1e-4),
        ]
    }

    /// The loss and its gradients by the adapter.
    public func adapterFindings(on backend: any Backend) throws -> [ModelFinding] {
        let (model, adapter) = try load(.f32, backend)
        let loss = try TrainingPass(model: model, adapter: adapter).lossWithGradients(group)
        let gradients = try adapter.gradients
        return [lossFinding(loss, try floats("loss")[0])]
            + (try adapter.tensors.map { tensor in
                gradientFinding(tensor.name, Array(gradients[tensor.range]), try floats("grad." + tensor.name))
            })
    }

    /// The loss and its gradients by all weights; of a fixture that has them.
    public func fullFindings(on backend: any Backend) throws -> [ModelFinding] {
        let parameters = try withFolder { try FullParameters(directory: URL(filePath: $0), backend: backend) }
        let pages = PageStore(model: parameters.model, contents: .training(.recompute), pages: 16)
        let pass = TrainingPass(model: parameters.model, trained: .full(parameters), pages: pages)
        let loss = try pass.lossWithGradients(group)
        let gradients = try parameters.gradients
        return [lossFinding(loss, try full("full_loss")[0])]
            + (try parameters.tensors.map { tensor in
                gradientFinding(tensor.name, Array(gradients[tensor.range]), try full("full." + tensor.name))
            })
    }

    private func lossFinding(_ found: Float, _ wanted: Float) -> ModelFinding {
        ModelFinding(subject: "loss", difference: abs(found - wanted) / wanted, tolerance: 1e-5)
    }

    private func gradientFinding(_ name: String, _ found: [Float], _ wanted: [Float]) -> ModelFinding {
        ModelFinding(
            subject: "gradient of \(name)", difference: relativeDifference(found, wanted), tolerance: 1e-3)
    }

    /// Logits of every position of the text, row by row.
    private func logits(_ model: LanguageModel, _ adapter: LoRAAdapter?) throws -> [Float] {
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
        guard found.count == wanted.count, found.allSatisfy(\.isFinite) else { return .infinity }
        return zip(found, wanted).map { abs($0 - $1) }.max() ?? 0
    }
}
