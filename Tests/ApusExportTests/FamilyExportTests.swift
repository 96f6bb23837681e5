import ApusFormats
import ApusModel
import ApusTensor
import ApusTestModels
import Foundation
import Testing

@testable import ApusExport

/// Models of every family on their way into other containers and back: every tensor, and everything that layers are made of.
@Suite struct FamilyExportTests {
    /// The wrapper of text and images has a text part, which the others test.
    private static let names = FamilyModel.names.filter { !$0.hasPrefix("gemma3-") }

    @Test(arguments: names) func mergedFoldersHoldTheModel(name: String) throws {
        let model = try SmallModel(family: name)
        let exported = try ExportedModel(model: model.path)
        try exported.preparedMerge(to: model.output("merged"))(nil)
        let back = try Checkpoint(path: model.output("merged"))
        #expect(back.configuration == exported.checkpoint.configuration)
        for tensor in back.configuration.tensors {
            #expect(try back.floats(tensor.role) == exported.checkpoint.floats(tensor.role), "\(tensor.role)")
        }
    }

    @Test(arguments: names) func ggufFilesHoldTheModelOrAreRefused(name: String) throws {
        let model = try SmallModel(family: name)
        let exported = try ExportedModel(model: model.path)
        let wanted = exported.checkpoint.configuration
        guard wanted.architecture.canSayInGGUF(wanted) else {
            #expect { _ = try exported.preparedGGUF(to: model.output("m.gguf"), type: .f32, name: "small") } throws: {
                "\($0)".contains("export merged")
            }
            return
        }
        try exported.preparedGGUF(to: model.output("m.gguf"), type: .f32, name: "small")(nil)
        let back = try Checkpoint(path: model.output("m.gguf"))
        for tensor in wanted.tensors {
            let (found, expected) = (try back.floats(tensor.role), try exported.checkpoint.floats(tensor.role))
            // Gains of Gemma are there with 1 added, which rounds them.
            let worst = zip(found, expected).map { abs($0 - $1) }.max() ?? 0
            #expect(
                found.count == expected.count && worst <= (tensor.role.isPlain(in: wanted) ? 0 : 1e-7), "\(tensor.role)"
            )
        }
        let found = back.configuration
        #expect(found.headSize == wanted.headSize && found.contextLength <= wanted.contextLength)
        #expect(abs(found.logitMultiplier - wanted.logitMultiplier) < 1e-6 && found.logitSoftCap == wanted.logitSoftCap)
        #expect(found.embeddingMultiplier == wanted.embeddingMultiplier)
        #expect(found.rotaryEmbeddings.map(\.dimensions) == wanted.rotaryEmbeddings.map(\.dimensions))
        for (one, other) in zip(found.rotaryEmbeddings, wanted.rotaryEmbeddings) {
            let pairs = zip(one.inverseFrequencies, other.inverseFrequencies)
            #expect(pairs.allSatisfy { abs($0 - $1) <= 1e-5 * $1 } && abs(one.amplitude - other.amplitude) < 1e-6)
        }
        for (one, other) in zip(found.layers, wanted.layers) {
            #expect(one.rotaryEmbedding == other.rotaryEmbedding && one.activation == other.activation)
            #expect(one.residualMultiplier == other.residualMultiplier)
            #expect(one.attention.softCap == other.attention.softCap)
            #expect(abs(one.attention.scale - other.attention.scale) < 1e-6)
            // A window that llama.cpp does not know is as long as the context then.
            #expect(
                one.attention.window == other.attention.window || found.contextLength <= other.attention.window ?? 0)
        }
    }
}

extension TensorRole {
    fileprivate func isPlain(in model: ModelConfiguration) -> Bool {
        guard model.architecture.name.hasPrefix("gemma") else { return true }
        if case .norm = self { return false }
        return self != .finalNorm
    }
}
