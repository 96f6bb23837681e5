import ApusFormats
import ApusModel
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
        #expect(five.attentionBias == model.contains("qwen2"))
    }

    @Test func readsEveryKey() throws {
        let configuration = try ModelConfiguration(huggingFace: Fixture.data("tiny_llama/config.json"))
        let expected = ModelConfiguration(
            architecture: .llama, hiddenSize: 64, intermediateSize: 128, layerCount: 2, headCount: 4,
            keyValueHeadCount: 2, headSize: 16, vocabularySize: 256, contextLength: 128, normEpsilon: 1e-5,
            ropeTheta: 10_000, ropeScaling: .llama3(factor: 8, low: 1, high: 4, original: 64),
            bosToken: 1, endTokens: [2]
        )
        #expect(configuration == expected)
        let qwen = try ModelConfiguration(huggingFace: Fixture.data("tiny_qwen2/config.json"))
        #expect(qwen.architecture == .qwen2 && qwen.headSize == 16 && qwen.ropeTheta == 1e6)
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
            (["num_key_value_heads": 0], "key/value heads"), (["num_key_value_heads": 3], "cannot share 3"),
            (["head_dim": NSNull(), "hidden_size": 66], "66"), (["head_dim": 15], "even"),
            (["rope_theta": 0.0], "theta"), (["rope_theta": -1.0], "theta"), (["hidden_size": 0], "hidden size"),
            (["num_hidden_layers": 0], "layers"), (["vocab_size": 1 << 40], "vocabulary"),
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
            (["model_type": "mamba"], "'mamba', supported are llama, qwen2"), (["hidden_act": "gelu"], "gelu"),
            (["quantization_config": ["quant_method": "bitsandbytes", "load_in_8bit": true]], "LLM.int8"),
            (["quantization_config": ["quant_method": "gptq", "bits": 4]], "gptq"),
            (["attention_bias": true], "attention_bias"), (["mlp_bias": true], "mlp_bias"),
            (["use_sliding_window": true], "sliding"), (["rope_scaling": ["rope_type": "yarn", "factor": 4]], "yarn"),
            (["rope_scaling": ["rope_type": "default", "partial_rotary_factor": 0.5]], "partial_rotary_factor"),
        ]
        for (changes, complaint) in cases { try expectRefusal(.unsupported, complaint, changes) }
    }

    private func expectRefusal(_ code: FormatError.Code, _ complaint: String, _ changes: [String: Any?]) throws {
        let data = try modified(changes)
        let error = #expect(throws: FormatError.self) { try ModelConfiguration(huggingFace: data) }
        #expect(error?.code == code, "\(String(describing: error))")
        #expect(error?.description.contains(complaint) == true, "\(String(describing: error))")
    }

    @Test func legacyRopeSpelling() throws {
        let linear = try ModelConfiguration(
            huggingFace: modified(["rope_scaling": ["type": "linear", "factor": 4.0], "rope_theta": nil])
        )
        #expect(linear.ropeScaling == .linear(factor: 4))
        #expect(linear.ropeTheta == 10_000)
    }

    @Test func rotaryFrequencies() throws {
        var configuration = try ModelConfiguration(huggingFace: Fixture.data("tiny_llama/config.json"))
        configuration.ropeScaling = .none
        let plain = configuration.ropeInverseFrequencies()
        #expect(plain.count == 8 && plain[0] == 1 && abs(plain[4] - 0.01) < 1e-9)
        configuration.ropeScaling = .linear(factor: 4)
        #expect(configuration.ropeInverseFrequencies() == plain.map { $0 / 4 })
        configuration.ropeScaling = .divisors([1, 2, 3, 4, 5, 6, 7, 8])
        #expect(abs(configuration.ropeInverseFrequencies()[7] - plain[7] / 8) < 1e-10)
        // Wavelengths 6.3 (kept), 19.9 (ramp: 64 / 19.87 = 3.22 between 1 and 4), 628 (divided by 8).
        configuration.ropeScaling = .llama3(factor: 8, low: 1, high: 4, original: 64)
        let scaled = configuration.ropeInverseFrequencies()
        #expect(scaled[0] == plain[0] && scaled[4] == plain[4] / 8)
        let smooth = (64 / (2 * Float.pi / plain[1]) - 1) / 3
        #expect(abs(scaled[1] - ((1 - smooth) * plain[1] / 8 + smooth * plain[1])) < 1e-6)
    }
}
