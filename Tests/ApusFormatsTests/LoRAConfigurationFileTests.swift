import ApusFormats
import ApusTestSupport
import Foundation
import Testing

@Suite struct LoRAConfigurationFileTests {
    private let path = Fixture.url("tiny_llama/adapter_config.json").path()

    @Test func readsPEFT() throws {
        let file = try LoRAConfigurationFile(path: path)
        #expect(file.rank == 4 && file.alpha == 8 && file.dropout == 0)
        #expect(file.baseModel == "tiny_llama" && !file.usesRSLoRA)
        let modules = ["down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"]
        #expect(file.targetModules == .names(modules))
    }

    /// Every line that is written stands in PEFT's own file for the same adapter, in the same order.
    @Test func writesPEFTsLines() throws {
        let written = String(decoding: try LoRAConfigurationFile(path: path).encoded(), as: UTF8.self)
        var rest = String(decoding: try Fixture.data("tiny_llama/adapter_config.json"), as: UTF8.self)
            .split(separator: "\n")[...]
        for line in written.split(separator: "\n") {
            // The last key has no comma, but in PEFT's file another one follows it.
            let place = try #require(rest.firstIndex { $0 == line || $0 == line + "," }, "\(line)")
            rest = rest[(place + 1)...]
        }
        #expect(written.hasPrefix("{\n  \"alpha_pattern\": {},\n") && written.hasSuffix("\"use_rslora\": false\n}"))
    }

    @Test func roundTrips() throws {
        var file = LoRAConfigurationFile()
        file.rank = 16
        file.alpha = 22.5
        file.usesRSLoRA = true
        file.baseModel = "models/\"quoted\"/é"
        file.targetModules = .pattern("all-linear")
        file.rankPattern = [.init(pattern: "z", value: 3), .init(pattern: "a.b", value: 5)]
        file.alphaPattern = [.init(pattern: "q_proj", value: 1.5)]
        file.excludedModules = .names(["k_proj"])
        file.layersToTransform = [2]
        let folder = try TemporaryFolder()
        let path = try folder.write(file.encoded(), as: "adapter_config.json")
        #expect(try LoRAConfigurationFile(path: path) == file)
    }

    @Test(arguments: [
        (#"{"peft_type":"IA3","r":4,"target_modules":[]}"#, FormatError.Code.unsupported, "IA3"),
        (#"{"peft_type":"LORA","r":4,"target_modules":[],"use_dora":true}"#, .unsupported, "use_dora"),
        (#"{"peft_type":"LORA","r":4,"target_modules":[],"bias":"all"}"#, .unsupported, "bias"),
        (#"{"peft_type":"LORA","r":4,"target_modules":[],"modules_to_save":["lm_head"]}"#, .unsupported, "lm_head"),
        (#"{"peft_type":"LORA","r":4,"target_modules":[],"rank_pattern":{"q":"2"}}"#, .malformed, "rank_pattern.q"),
        (#"{"peft_type":"LORA","r":4,"target_modules":[],"rank_pattern":{"q":0}}"#, .malformed, "found 0"),
        (#"{"peft_type":"LORA","r":5000000000,"target_modules":[]}"#, .malformed, "found 5000000000"),
        (#"{"peft_type":"LORA","r":4,"lora_alpha":1e300,"target_modules":[]}"#, .malformed, "lora_alpha"),
        (#"{"peft_type":"LORA","r":4,"target_modules":[],"fan_in_fan_out":true}"#, .unsupported, "fan_in_fan_out"),
        (#"{"peft_type":"LORA","r":0,"target_modules":[]}"#, .malformed, "found 0"),
        (#"{"peft_type":"LORA","target_modules":[]}"#, .malformed, "r is missing"),
        (#"{"peft_type":"LORA","r":"4","target_modules":[]}"#, .malformed, "r is text"),
        ("not json", .malformed, "not valid JSON"),
    ])
    func unsupportedAdaptersAreRefused(json: String, code: FormatError.Code, complaint: String) throws {
        let folder = try TemporaryFolder()
        let path = try folder.write(Data(json.utf8), as: "adapter_config.json")
        expectFormatError(code, containing: complaint) { try LoRAConfigurationFile(path: path) }
    }

    /// Files of PEFT hold every key; a value that asks for nothing is as good as none.
    @Test(arguments: [
        #""layer_replication":[[0,2]]"#, #""alora_invocation_tokens":[5]"#, #""use_qalora":true"#,
        #""use_bdlora":{"nblocks":2}"#, #""lora_bias":true"#, #""target_parameters":["experts.down_proj"]"#,
        #""init_lora_weights":"pissa_niter_4""#, #""init_lora_weights":"OLoRA""#,
    ])
    func whatIsMoreThanLoRAIsRefused(member: String) throws {
        let folder = try TemporaryFolder()
        let key = try #require(member.split(separator: "\"").first.map(String.init))
        let path = try folder.write(Data(configuration(member)), as: "adapter_config.json")
        expectFormatError(.unsupported, containing: "\(key) ask") { try LoRAConfigurationFile(path: path) }
    }

    @Test(arguments: [
        #""layer_replication":null"#, #""alora_invocation_tokens":[]"#, #""use_qalora":false"#, #""use_bdlora":{}"#,
        #""init_lora_weights":true"#, #""init_lora_weights":false"#, #""init_lora_weights":"gaussian""#,
        #""target_parameters":null,"trainable_token_indices":null,"lora_bias":false"#,
    ])
    func keysThatAskForNothingAreTaken(member: String) throws {
        let folder = try TemporaryFolder()
        let path = try folder.write(Data(configuration(member)), as: "adapter_config.json")
        #expect(try LoRAConfigurationFile(path: path).otherFeatures.isEmpty)
    }

    private func configuration(_ member: String) -> [UInt8] {
        Array(#"{"peft_type":"LORA","r":4,"target_modules":["q_proj"],\#(member)}"#.utf8)
    }
}
