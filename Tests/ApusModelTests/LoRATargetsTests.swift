import ApusFormats
import ApusTensor
import ApusTestModels
import ApusTestSupport
import Foundation
import Testing

@testable import ApusModel

/// Which modules an adapter stands beside: PEFT's rules, and adapters of some layers in use.
@Suite struct LoRATargetsTests {
    private let model: ModelConfiguration

    init() throws {
        var model = try ModelConfiguration(huggingFace: Fixture.data("tiny_llama/config.json"))
        model.layers.append(model.layers[1])
        self.model = model
    }

    private func paths(_ targets: [String], layers: [Int]? = nil) throws -> [String] {
        let configuration = LoRAConfiguration(targetModules: targets, layersToTransform: layers)
        return try configuration.targets(in: model).modules.map { module in
            guard let layer = module.role.layer, let linear = module.role.matrixModule else { return module.path }
            return "\(layer).\(linear.name)"
        }
    }

    @Test func namesPathsAndLayers() throws {
        #expect(try paths(["q_proj"]) == ["0.q_proj", "1.q_proj", "2.q_proj"])
        #expect(try paths(["q_proj"], layers: [2, 0]) == ["0.q_proj", "2.q_proj"])
        #expect(try paths(["all-linear"], layers: [1]).count == 7)
        #expect(try paths(["layers.1.mlp.up_proj", "1.self_attn.v_proj"]) == ["1.v_proj", "1.up_proj"])
        #expect(try paths(["self_attn.k_proj"]).count == 3)
        // A whole path counts whatever the layers are, as in PEFT.
        #expect(try paths(["model.layers.0.mlp.up_proj"], layers: [2]) == ["0.up_proj"])
        #expect(throws: ModelError.self) { try paths(["layers.0.mlp.up_proj"], layers: [2]) }
        // The embedding and the head, in no layer: by their names, not by all-linear, nor beside chosen layers.
        #expect(try paths(["lm_head", "embed_tokens"]) == ["model.embed_tokens", "lm_head"])
        #expect(try paths(["all-linear", "lm_head"]).count == 22)
        #expect(try paths(["embed_tokens", "q_proj"], layers: [2]) == ["2.q_proj"])
        #expect(try paths(["model.embed_tokens", "q_proj"], layers: [2]) == ["2.q_proj", "model.embed_tokens"])
        #expect(try paths([#".*(embed_tokens|0\.mlp\.up_proj)"#]) == ["0.up_proj", "model.embed_tokens"])
    }

    @Test(
        arguments: [
            (["model.lm_head"], nil, "found 'model.lm_head'"), (["mlp.q_proj"], nil, "found 'mlp.q_proj'"),
            (["model.q_proj"], nil, "found 'model.q_proj'"), (["layers.7.self_attn.q_proj"], nil, "adapts no module"),
            (["q_proj"], [3], "layers_to_transform: the model has layers 0 to 2, found 3"),
            (["q_proj"], [-1], "layers_to_transform: wanted layers from 0, found -1"),
            (["q_proj"], [], "adapts no module"),
        ] as [([String], [Int]?, String)])
    func refusals(targets: [String], layers: [Int]?, message: String) {
        #expect { try paths(targets, layers: layers) } throws: { "\($0)".contains(message) }
    }

    @Test func theShortestNamesAreReadBackAsTheSame() throws {
        let cases: [([String], [Int]?)] = [
            (["q_proj", "down_proj"], nil), (["q_proj", "down_proj"], [1]),
            (["layers.0.self_attn.q_proj", "up_proj"], nil), (["lm_head", "q_proj"], nil), (["embed_tokens"], nil),
            (["model.embed_tokens", "q_proj"], [1]), (["embed_tokens", "lm_head", "layers.0.self_attn.q_proj"], nil),
        ]
        for (targets, layers) in cases {
            let found = try LoRAConfiguration(targetModules: targets, layersToTransform: layers).targets(in: model)
            let (modules, chosen) = found.names
            let again = LoRAConfiguration(targetModules: modules, layersToTransform: chosen)
            #expect(try again.targets(in: model) == found)
        }
    }

    /// An adapter of one layer is the adapter of all of them whose other pairs are zero: the same scores and gradients.
    @Test(arguments: ["tiny_llama", "tiny_qwen2"])
    func anAdapterOfSomeLayersIsOneWithZerosElsewhere(name: String) throws {
        let tiny = try TinyModel(name, precision: .f32, backend: TestDevice.backend(threads: 1))
        var values = try tiny.adapter.parameters
        var kept: [Float] = []
        let modules = [LinearModule.query, .down]
        for tensor in tiny.adapter.tensors {
            let isKept = modules.contains { tensor.name.contains("layers.1.") && tensor.name.contains($0.name) }
            if isKept { kept += values[tensor.range] } else { for element in tensor.range { values[element] = 0 } }
        }
        var shape = tiny.adapter.configuration
        shape.targetModules = modules.map(\.name)
        shape.layersToTransform = [1]
        let some = try LoRAAdapter(zero: shape, for: tiny.model)
        try some.setParameters(kept)
        try tiny.adapter.setParameters(values)
        let passes = [tiny.adapter, some].map { TrainingPass(model: tiny.model, adapter: $0) }
        let scores = try passes.map { try $0.forward(tiny.groups) }
        #expect(scores[0] == scores[1])
        for pass in passes { try pass.backward(scores[0].map { $0.map { $0.logProbs.map { _ in -1 } } }) }
        let (all, part) = try (tiny.adapter.gradients, some.gradients)
        for tensor in some.tensors {
            let whole = try #require(tiny.adapter.tensors.first { $0.name == tensor.name })
            #expect(Array(part[tensor.range]) == Array(all[whole.range]), "\(tensor.name)")
            #expect(part[tensor.range].contains { $0 != 0 })
        }
    }

    @Test func whatIsSavedIsReadBack() throws {
        let folder = try TemporaryFolder()
        let tiny = try TinyModel("tiny_llama", precision: .f32, backend: TestDevice.backend(threads: 1))
        let shape = LoRAConfiguration(rank: 2, targetModules: ["layers.0.self_attn.q_proj", "up_proj"])
        let adapter = try LoRAAdapter(shape, for: tiny.model, seed: 3)
        try adapter.save(to: folder.url)
        let again = try LoRAAdapter(directory: folder.url, for: tiny.model)
        #expect(try again.targets == adapter.targets && again.parameters == adapter.parameters && again.remarks.isEmpty)
    }
}
