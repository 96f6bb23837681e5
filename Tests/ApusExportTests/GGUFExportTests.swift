import ApusExport
import ApusFormats
import ApusModel
import ApusTestSupport
import ApusText
import Foundation
import Testing

/// GGUF files, read back by our reader under Hugging Face names.
@Suite struct GGUFExportTests {
    @Test(arguments: ["llama", "qwen2"], [true, false])
    func aFileHoldsTheModel(architecture: String, ties: Bool) throws {
        let model = try SmallModel(architecture: architecture, ties: ties)
        let exported = try ExportedModel(model: model.path, adapter: model.adapter)
        try exported.preparedGGUF(to: model.output("m.gguf"), type: .f32, name: "small")(nil)
        let checkpoint = try Checkpoint(path: model.output("m.gguf"))
        for (name, _) in try model.tensors() {
            #expect(try values(name, in: checkpoint) == model.merged(name), "\(name)")
        }
        var configuration = checkpoint.configuration
        configuration.endTokens = exported.checkpoint.configuration.endTokens
        configuration.bosToken = exported.checkpoint.configuration.bosToken
        #expect(configuration == exported.checkpoint.configuration)
        #expect(checkpoint.chatTemplate == exported.checkpoint.chatTemplate)
        let (ours, theirs) = (try checkpoint.makeTokenizer(), try exported.checkpoint.makeTokenizer())
        for text in ["Hello, world! 123", "  spaces\n\n<|im_start|>user", "naïve 日本 🎉"] {
            #expect(ours.encode(text) == theirs.encode(text))
        }
        let file = try GGUFFile(path: model.output("m.gguf"))
        #expect(file.metadata["general.name"] == .text("small"))
        #expect(file.metadata["tokenizer.ggml.pre"] == .text(architecture == "llama" ? "smollm" : "qwen2"))
        #expect(file.metadata["tokenizer.ggml.tokens"]?.strings?.count == SmallModel.vocabularySize)
        #expect(file.metadata["tokenizer.ggml.tokens"]?.strings?.last == "[PAD575]")
        #expect(file.metadata["tokenizer.ggml.token_type"]?.ints?.last == 5)
    }

    @Test(arguments: [
        (GGUFModelType.f16, Float(0.0005)), (.bf16, 0.004), (.q8_0, 0.006), (.q4_0, 0.09), (.q4_K_M, 0.08),
    ])
    func typesRoundAsTheySay(type: GGUFModelType, bound: Float) throws {
        let model = try SmallModel(ties: true)
        try ExportedModel(model: model.path, adapter: model.adapter)
            .preparedGGUF(to: model.output("m.gguf"), type: type, name: "small")(nil)
        let checkpoint = try Checkpoint(path: model.output("m.gguf"))
        for (name, shape) in try model.tensors() {
            let expected = try model.merged(name)
            let found = try values(name, in: checkpoint)
            guard shape.count > 1 else {
                #expect(found == expected, "\(name)")
                continue
            }
            let error = zip(found, expected).reduce(Float(0)) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
            let size = expected.reduce(Float(0)) { $0 + $1 * $1 }
            #expect((error / size).squareRoot() < bound, "\(name): \((error / size).squareRoot())")
        }
    }

    /// Rows of 320 are no whole number of super-blocks.
    @Test func theMixtureIsLlamaCpps() throws {
        let model = try SmallModel()
        try ExportedModel(model: model.path).preparedGGUF(to: model.output("m.gguf"), type: .q4_K_M, name: "small")(nil)
        let file = try GGUFFile(path: model.output("m.gguf"))
        let expected: [String: ElementType] = [
            "token_embd.weight": .q4_K, "output.weight": .q6_K, "output_norm.weight": .f32,
            "blk.0.attn_q.weight": .q4_K,
            "blk.0.attn_v.weight": .q4_K, "blk.1.attn_v.weight": .q6_K, "blk.0.ffn_down.weight": .q5_0,
            "blk.1.ffn_down.weight": .q8_0, "blk.0.ffn_up.weight": .q4_K,
        ]
        for (name, type) in expected { #expect(file.entries[name]?.type == type, "\(name)") }
        #expect(file.metadata["general.file_type"] == .integer(15))
    }

    @Test(arguments: [
        #"{"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}"#,
        #"{"rope_type": "linear", "factor": 4.0}"#,
    ])
    func stretchedFrequenciesSurviveTheWayThroughGGUF(rope: String) throws {
        let model = try SmallModel(rope: rope)
        let exported = try ExportedModel(model: model.path)
        try exported.preparedGGUF(to: model.output("m.gguf"), type: .bf16, name: "small")(nil)
        try ExportedModel(model: model.output("m.gguf")).preparedMerge(to: model.output("back"))(nil)
        let back = try Checkpoint(path: model.output("back"))
        #expect(back.configuration.rotaryEmbeddings == exported.checkpoint.configuration.rotaryEmbeddings)
        let files = [model.path, model.output("back")].map { URL(filePath: $0 + "/model.safetensors") }
        #expect(try Data(contentsOf: files[0]) == Data(contentsOf: files[1]))
        #expect(back.chatTemplate == exported.checkpoint.chatTemplate)
    }

    @Test func unknownDivisorsAreRefused() throws {
        let rope =
            #"{"rope_type": "llama3", "factor": 9.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64}"#
        let model = try SmallModel(rope: rope)
        try ExportedModel(model: model.path).preparedGGUF(to: model.output("m.gguf"), type: .bf16, name: "small")(nil)
        #expect {
            _ = try ExportedModel(model: model.output("m.gguf")).preparedMerge(to: model.output("back"))
        } throws: { "\($0)".contains("export gguf instead") }
    }

    @Test func anAdapterAloneKeepsItsMatrices() throws {
        let model = try SmallModel()
        try ExportedModel(model: model.path, adapter: model.adapter)
            .preparedGGUFAdapter(to: model.output("lora.gguf"), name: "small")(nil)
        let file = try GGUFFile(path: model.output("lora.gguf"))
        #expect(file.metadata["general.type"] == .text("adapter"))
        #expect(file.metadata["adapter.type"] == .text("lora"))
        #expect(file.metadata["adapter.lora.alpha"] == .floating(6))
        #expect(file.entries.count == 16)
        let source = try SafetensorsFile(path: model.adapter + "/adapter_model.safetensors")
        let prefix = "base_model.model.model.layers.1.self_attn."
        #expect(
            try file.readFloats("blk.1.attn_output.weight.lora_b") == source.readFloats(prefix + "o_proj.lora_B.weight")
        )
        #expect(try file.readFloats("blk.1.attn_q.weight.lora_a") == source.readFloats(prefix + "q_proj.lora_A.weight"))
        // llama.cpp rotates neighbours: row 1 of a head is Hugging Face's row 32.
        let b = try source.readFloats(prefix + "q_proj.lora_B.weight")
        #expect(try Array(file.readFloats("blk.1.attn_q.weight.lora_b")[4..<8]) == Array(b[128..<132]))
    }

    @Test func rankStabilisedScalesAreTold() throws {
        let model = try SmallModel()
        var file = try LoRAConfigurationFile(path: model.adapter + "/adapter_config.json")
        file.usesRSLoRA = true
        try model.write(file)
        try ExportedModel(model: model.path, adapter: model.adapter)
            .preparedGGUFAdapter(to: model.output("lora.gguf"), name: "small")(nil)
        // 6 / √4 is what llama.cpp must get from alpha / 4.
        #expect(try GGUFFile(path: model.output("lora.gguf")).metadata["adapter.lora.alpha"] == .floating(12))
    }

    @Test func aTokenizerWithoutANameIsRefused() throws {
        #expect {
            _ = try ExportedModel(model: Fixture.url("base96-slips").path)
                .preparedGGUF(to: "/nonexistent-parent/m.gguf", type: .f16, name: "x")
        } throws: { "\($0)".contains("llama.cpp has no name") || "\($0)".contains("cannot create") }
    }
}
