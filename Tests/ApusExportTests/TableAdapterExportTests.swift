import ApusFormats
import ApusModel
import ApusTestModels
import ApusTestSupport
import Foundation
import Testing

@testable import ApusExport

/// Adapters that PEFT made beside an embedding or a head.
@Suite struct TableAdapterExportTests {
    private func adapter(_ name: String) -> String { Fixture.url("families/adapters/\(name)").path }

    @Test(arguments: [("llama-1", "embedding"), ("phi3-1", "embedding"), ("llama-1", "head"), ("phi3-1", "head")])
    func mergedTablesAreTheSumsThatPEFTMakes(base: String, kind: String) throws {
        try FamilyModel(base).withFolder { path in
            let exported = try ExportedModel(model: path, adapter: adapter("\(base)-\(kind)"))
            let role = kind == "head" ? TensorRole.head : .embedding
            let module = try #require(exported.adapter?.targets.modules.first { $0.role == role })
            let pair = try #require(try exported.adapter?.matrices(of: module.path))
            let tensor = try #require(exported.configuration.tensors.first { $0.role == role })
            let found = try exported.weights.tensor(tensor).rows(0..<tensor.shape[0])
            let plain = try exported.checkpoint.floats(role)
            let (rows, columns, scale) = (tensor.shape[0], tensor.shape[1], Float(module.alpha) / Float(module.rank))
            for row in 0..<rows {
                for column in 0..<columns {
                    let added = (0..<module.rank).reduce(Float(0)) { sum, r in
                        // Of the embedding the rows of the table are A's columns.
                        kind == "head"
                            ? sum + pair.b[row * module.rank + r] * pair.a[r * columns + column]
                            : sum + pair.b[column * module.rank + r] * pair.a[r * rows + row]
                    }
                    let index = row * columns + column
                    #expect(abs(found[index] - plain[index] - scale * added) < 1e-5)
                }
            }
        }
    }

    /// What a container cannot say is refused: a pair beside one of two tied tables, adapters alone for llama.cpp and vLLM.
    @Test func whatCannotBeSaidIsRefused() throws {
        let folder = try TemporaryFolder()
        func output(_ name: String) -> String { folder.url.appending(path: name).path }
        try FamilyModel("gemma2-1").withFolder { path in
            let tied = try ExportedModel(model: path, adapter: adapter("gemma2-1-embedding"))
            #expect { _ = try tied.preparedMerge(to: output("a")) } throws: { "\($0)".contains("one tensor") }
            #expect { _ = try tied.preparedBitsAndBytes(to: output("b")) } throws: { "\($0)".contains("one tensor") }
        }
        try FamilyModel("llama-1").withFolder { path in
            let exported = try ExportedModel(model: path, adapter: adapter("llama-1-head"))
            #expect { _ = try exported.preparedGGUFAdapter(to: output("c"), name: "n") } throws: {
                "\($0)".contains("export merged")
            }
            #expect { _ = try exported.preparedAdapter(to: output("d")) } throws: { "\($0)".contains("export merged") }
        }
    }
}
