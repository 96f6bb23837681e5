import ApusFormats
import ApusTensor
import ApusTestModels
import ApusTestSupport
import Foundation
import Testing

@testable import ApusModel

/// PEFT's ways to say which modules an adapter has, of which rank and scale, against PEFT's own results.
@Suite struct AdapterFamilyTests {
    private static let plain =
        ["pattern", "rslora", "layers", "exclude", "regex", "embedding", "head"].flatMap { kind in
            ["llama-1", "phi3-1"].map { (base: $0, kind: kind) }
        } + [(base: "gemma2-1", kind: "embedding")]

    private func open(_ base: String, _ kind: String, _ model: LanguageModel) throws -> LoRAAdapter {
        try LoRAAdapter(directory: Fixture.url("families/adapters/\(base)-\(kind)"), for: model)
    }

    @Test(arguments: plain) func scoresAndGradientsAreThoseOfPEFT(base: String, kind: String) throws {
        let family = try FamilyModel(base)
        try family.withFolder { path in
            let model = try LanguageModel(
                path: path, precision: .f32, backend: TestDevice.backend(threads: 2), cache: nil)
            let adapter = try open(base, kind, model)
            let golden = try SafetensorsFile(
                path: Fixture.url("families/adapters/\(base)-\(kind)/golden.safetensors").path)
            let loss = try golden.floats("loss")[0]
            func check(_ adapter: LoRAAdapter) throws {
                let pass = TrainingPass(model: model, adapter: adapter)
                #expect(abs(try pass.lossWithGradients(family.group) - loss) < 1e-5 * loss)
                let gradients = try adapter.gradients
                for tensor in adapter.tensors {
                    let wanted = try golden.floats("grad." + tensor.name)
                    #expect(relativeDifference(Array(gradients[tensor.range]), wanted) < 1e-3, "\(tensor.name)")
                }
            }
            try check(adapter)
            // What is written is read back as the same adapter.
            let folder = try TemporaryFolder()
            try adapter.save(to: folder.url)
            let again = try LoRAAdapter(directory: folder.url, for: model)
            #expect(try again.targets == adapter.targets && again.parameters == adapter.parameters)
            try check(again)
        }
    }

    @Test(arguments: ["llama-1", "phi3-1"]) func weightDecompositionIsRefusedByName(base: String) throws {
        try FamilyModel(base).withFolder { path in
            let model = try LanguageModel(
                path: path, precision: .f32, backend: TestDevice.backend(threads: 1), cache: nil)
            #expect { try open(base, "dora", model) } throws: { "\($0)".contains("use_dora") }
        }
    }

    /// Beside tied and untied tables, in every precision: a new adapter changes nothing, and a step of it something.
    @Test(arguments: ["llama-1", "llama-2", "granite-1"], WeightPrecision.allCases)
    func aNewAdapterOfEmbeddingAndHead(name: String, precision: WeightPrecision) throws {
        let family = try FamilyModel(name)
        let model = try family.load(precision, TestDevice.backend(threads: 2)).0
        let configuration = LoRAConfiguration(rank: 3, targetModules: ["embed_tokens", "lm_head"])
        let adapter = try LoRAAdapter(configuration, for: model, seed: 1)
        #expect(adapter.tensors.map(\.name).allSatisfy { $0.contains("embed_tokens") || $0.contains("lm_head") })
        let pass = TrainingPass(model: model, adapter: adapter)
        let plain = try TrainingPass(model: model, adapter: nil).score([family.group])
        // Other sums of the same numbers: whole rows of logits in place of tiles.
        let new = try pass.forward([family.group])
        for (one, other) in zip(new[0][0].logProbs, plain[0][0].logProbs) { #expect(abs(one - other) < 1e-5) }
        try pass.backward([[new[0][0].logProbs.map { _ in -1 }]])
        adapter.adamWStep(
            AdamWStep(step: 1, learningRate: 0.005, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0))
        let after = try pass.score([family.group])[0][0].logProbs
        #expect(after.reduce(0, +) > new[0][0].logProbs.reduce(0, +) + 0.01)
    }

    @Test(arguments: ["mixtral", "qwen3_moe"]) func mixturesOfExpertsAreRefusedWithADenseModel(name: String) throws {
        let data = try Fixture.data("families/refused/\(name)/config.json")
        #expect { try ModelConfiguration(huggingFace: data) } throws: {
            "\($0)".contains("a mixture of experts") && "\($0)".contains("take a dense model")
        }
    }

    /// Bad inputs 16: a number of layers is believed only as far as tensors bear it out.
    @Test(arguments: [1_000_000_000, 3000, 40]) func tooManyLayersAreRefusedAtOnce(count: Int) throws {
        let folder = try TemporaryFolder()
        let text = String(decoding: try Fixture.data("families/llama-1/config.json"), as: UTF8.self)
        let config = text.replacingOccurrences(of: "\"num_hidden_layers\": 3", with: "\"num_hidden_layers\": \(count)")
        #expect(config != text)
        _ = try folder.write(Data(config.utf8), as: "config.json")
        _ = try folder.write(Fixture.data("families/llama-1/model.safetensors"), as: "model.safetensors")
        #expect(throws: FormatError.self) { try Checkpoint(path: folder.url.path) }
    }

    /// Both spellings of a configuration, transformers 5's and 4's, are the same model.
    @Test(arguments: FamilyModel.names) func bothSpellingsAreTheSame(name: String) throws {
        let five = try ModelConfiguration(huggingFace: Fixture.data("families/\(name)/config.json"))
        let four = try ModelConfiguration(huggingFace: Fixture.data("families/\(name)/config_v4.json"))
        #expect(five == four)
    }
}
