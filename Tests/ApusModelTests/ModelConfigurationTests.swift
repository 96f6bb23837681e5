import ApusFormats
import ApusModel
import ApusTensor
import ApusTestSupport
import Foundation
import Testing

@Suite struct ModelConfigurationTests {
    @Test(arguments: ["tiny_llama", "tiny_llama_tied", "tiny_qwen2", "tiny_qwen2_untied"])
    func bothSpellingsAreTheSame(model: String) throws {
        let five = try ModelConfiguration(huggingFace: Fixture.data("\(model)/config.json"))
        let four = try ModelConfiguration(huggingFace: Fixture.data("\(model)/config_v4.json"))
        #expect(five == four)
        #expect(five.tiesEmbeddings == (model == "tiny_llama_tied" || model == "tiny_qwen2"))
        let biased = five.layers.flatMap { $0.modules.filter(\.hasBias).map(\.module) }
        #expect(biased == (model.contains("qwen2") ? [.query, .key, .value, .query, .key, .value] : []))
    }

    @Test func readsEveryKey() throws {
        let configuration = try ModelConfiguration(huggingFace: Fixture.data("tiny_llama/config.json"))
        #expect(configuration.architecture == .llama && configuration.layerCount == 2)
        #expect(configuration.hiddenSize == 64 && configuration.intermediateSize == 128)
        #expect(configuration.headCount == 4 && configuration.keyValueHeadCount == 2 && configuration.headSize == 16)
        #expect(configuration.vocabularySize == 256 && configuration.contextLength == 128)
        #expect(configuration.normEpsilon == 1e-5 && configuration.bosToken == 1 && configuration.endTokens == [2])
        let scaling = RopeScaling.llama3(factor: 8, low: 1, high: 4, original: 64)
        let rotary = RotaryEmbedding(theta: 10_000, dimensions: 16, scaling: scaling)
        #expect(configuration.rotaryEmbeddings == [rotary])
        #expect(
            configuration.layers.allSatisfy { $0.attention == AttentionRule(scale: 0.25) && $0.rotaryEmbedding == 0 })
        let qwen = try ModelConfiguration(huggingFace: Fixture.data("tiny_qwen2/config.json"))
        #expect(qwen.architecture == .qwen2 && qwen.headSize == 16 && qwen.rotaryEmbeddings[0].theta == 1e6)
    }

    @Test func generationConfigurationNamesTheEnds() throws {
        let config = try Fixture.data("tiny_llama/config.json")
        func ends(_ json: String) throws -> [Int32] {
            try ModelConfiguration(huggingFace: config, generation: Data(json.utf8)).endTokens
        }
        #expect(try ends(#"{"eos_token_id": [4, 5]}"#) == [4, 5])
        #expect(try ends(#"{"eos_token_id": 6}"#) == [6])
        #expect(try ends(#"{}"#) == [2])
        #expect(throws: FormatError.self) { try ends(#"{"eos_token_id": 256}"#) }
        #expect(throws: FormatError.self) { try ends(#"{"eos_token_id": "x"}"#) }
    }

    /// `config.json` of tiny_llama with keys replaced; a nil value removes the key.
    private func modified(_ changes: [String: Any?]) throws -> Data {
        let original = try JSONSerialization.jsonObject(with: Fixture.data("tiny_llama/config_v4.json"))
        var object = try #require(original as? [String: Any])
        for (key, value) in changes { object[key] = value }
        return try JSONSerialization.data(withJSONObject: object)
    }

    @Test("Bad input 16: impossible numbers name the key")
    func impossibleNumbersAreRefused() throws {
        let cases: [([String: Any?], String)] = [
            (["num_attention_heads": 0], "num_attention_heads"), (["num_attention_heads": -4], "num_attention_heads"),
            (["num_key_value_heads": 0], "num_key_value_heads"), (["head_dim": -6], "head_dim"),
            (["sliding_window": 0, "model_type": "mistral"], "sliding_window"),
            (
                ["max_position_embeddings": 0, "rope_scaling": ["type": "yarn", "factor": 4.0]],
                "max_position_embeddings"
            ), (["num_key_value_heads": 3], "cannot share 3"),
            (["head_dim": NSNull(), "hidden_size": 66], "66"), (["head_dim": 15], "even"),
            (["rope_theta": 0.0], "theta"), (["rope_theta": -1.0], "theta"), (["hidden_size": 0], "hidden_size"),
            (["num_hidden_layers": 0], "layers"), (["vocab_size": 1 << 40], "vocab_size"),
            (["rms_norm_eps": -1.0], "epsilon"), (["bos_token_id": 999], "999"), (["eos_token_id": -1], "-1"),
            (["hidden_size": NSNull()], "hidden_size"), (["hidden_size": "64"], "hidden_size"),
            (["rope_scaling": ["rope_type": "llama3", "factor": 8]], "llama3"),
            (["rope_scaling": ["type": "linear", "factor": 0]], "factor"),
        ]
        for (changes, complaint) in cases { try expectRefusal(.malformed, complaint, changes) }
    }

    @Test("Bad input 16: what is not supported is named")
    func unsupportedVariantsAreRefused() throws {
        let cases: [([String: Any?], String)] = [
            (["model_type": "mamba"], "'mamba', supported are llama, mistral"), (["hidden_act": "relu"], "relu"),
            (
                ["model_type": "mixtral"],
                "mixture of experts, which is not supported; take a dense model such as Mistral"
            ),
            (["quantization_config": ["quant_method": "bitsandbytes", "load_in_8bit": true]], "LLM.int8"),
            (["quantization_config": ["quant_method": "gptq", "bits": 4]], "gptq"),
            (["rope_scaling": ["rope_type": "spiral", "factor": 4]], "spiral"),
        ]
        for (changes, complaint) in cases { try expectRefusal(.unsupported, complaint, changes) }
    }

    private func expectRefusal(_ code: FormatError.Code, _ complaint: String, _ changes: [String: Any?]) throws {
        let data = try modified(changes)
        let error = #expect(throws: FormatError.self) { try ModelConfiguration(huggingFace: data) }
        #expect(error?.code == code, "\(String(describing: error))")
        #expect(error?.description.contains(complaint) == true, "\(String(describing: error))")
    }

    /// In a closing brace lies the only way to be whole; of changed bytes some are read, and none end the program.
    @Test(
        "Promise 1: a configuration that is cut at any byte is refused, and one whose bytes are changed is read or refused",
        arguments: ["llama-3", "gemma3-1", "phi3-2", "smollm3-2", "olmo3-1", "granite-2"])
    func damagedConfigurations(name: String) throws {
        let whole = try Fixture.data("families/\(name)/config.json")
        let end = try #require(whole.lastIndex(of: UInt8(ascii: "}")))
        for length in 0...end {
            #expect(throws: FormatError.self) { try ModelConfiguration(huggingFace: whole.prefix(length)) }
        }
        var state: UInt64 = 1
        for _ in 0..<3000 {
            var damaged = whole
            for _ in 0..<2 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                damaged[Int(state >> 33) % damaged.count] = UInt8(truncatingIfNeeded: state >> 20)
            }
            _ = try? ModelConfiguration(huggingFace: damaged)
        }
    }

    @Test func legacyRopeSpelling() throws {
        let linear = try ModelConfiguration(
            huggingFace: modified(["rope_scaling": ["type": "linear", "factor": 4.0], "rope_theta": nil])
        )
        #expect(linear.rotaryEmbeddings[0].scaling == .linear(factor: 4))
        #expect(linear.rotaryEmbeddings[0].theta == 10_000)
    }

    @Test func rotaryFrequencies() throws {
        var rotary = RotaryEmbedding(theta: 10_000, dimensions: 16)
        let plain = rotary.inverseFrequencies
        #expect(plain.count == 8 && plain[0] == 1 && abs(plain[4] - 0.01) < 1e-9)
        rotary.scaling = .linear(factor: 4)
        #expect(rotary.inverseFrequencies == plain.map { $0 / 4 })
        rotary.scaling = .divisors([1, 2, 3, 4, 5, 6, 7, 8])
        #expect(abs(rotary.inverseFrequencies[7] - plain[7] / 8) < 1e-10)
        // Wavelengths 6.3 (kept), 19.9 (ramp: 64 / 19.87 = 3.22 between 1 and 4), 628 (divided by 8).
        rotary.scaling = .llama3(factor: 8, low: 1, high: 4, original: 64)
        let scaled = rotary.inverseFrequencies
        #expect(scaled[0] == plain[0] && scaled[4] == plain[4] / 8)
        let smooth = (64 / (2 * Float.pi / plain[1]) - 1) / 3
        #expect(abs(scaled[1] - ((1 - smooth) * plain[1] / 8 + smooth * plain[1])) < 1e-6)
    }
}
