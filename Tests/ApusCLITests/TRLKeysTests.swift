import Apus
import ApusTestSupport
import Foundation
import Testing

@testable import ApusCLI

/// TRL's own list of keys, read from its dataclasses, against the table.
@Suite struct TRLKeysTests {
    private struct Key: Decodable {
        let key: String
        let `default`: JSONValue?
    }

    private struct Keys: Decodable {
        let grpo: [Key]
        let model: [Key]
        let script: [Key]
        let mixture: [Key]

        private enum CodingKeys: String, CodingKey {
            case grpo = "GRPOConfig"
            case model = "ModelConfig"
            case script = "GRPOScriptArguments"
            case mixture = "DatasetMixtureConfig"
        }

        var all: [Key] { grpo + model + script + mixture }
    }

    private let keys: Keys

    init() throws {
        keys = try Fixture.json("trl_grpo_config.json")
    }

    @Test func everyKeyHasItsRow() {
        #expect(keys.grpo.count > 180)
        for key in keys.all { #expect(SettingTable.row(key.key) != nil, "\(key.key)") }
    }

    @Test func supportedKeysHaveTRLsDefaults() throws {
        let own = SettingTable.defaults
        for key in keys.all {
            guard SettingTable.facts[key.key] != nil else { continue }
            let difference = SettingTable.otherDefaults[key.key]
            let isEqual = own[key.key] ?? .null == key.default ?? .null
            #expect(
                isEqual == (difference == nil),
                "\(key.key): \(own[key.key] ?? .null) here, \(key.default ?? .null) in TRL, reason \(difference ?? "none")"
            )
        }
    }

    @Test func theRestAcceptsTRLsDefaults() throws {
        for key in keys.all {
            guard SettingTable.row(key.key) != nil, SettingTable.facts[key.key] == nil, let value = key.default else {
                continue
            }
            let text = try JSONLine.encode(value)
            let message = refusal("model: m\n\(key.key): \(text)\n")
            #expect(
                (message == nil) == (SettingTable.otherDefaults[key.key] == nil), "\(key.key): \(message ?? "accepted")"
            )
        }
    }

    @Test func otherDefaultsAreOfTRLsKeys() {
        for key in SettingTable.otherDefaults.keys { #expect(keys.all.contains { $0.key == key }, "\(key)") }
    }

    @Test func keysThatAreNotTRLsSayWhereTheyComeFrom() {
        let known = Set(keys.all.map(\.key))
        for row in SettingTable.rows where SettingTable.facts[row.name] != nil {
            #expect(known.contains(row.name) == (SettingTable.facts[row.name]?.origin == .trl), "\(row.name)")
        }
    }

    @Test func aFileOfTRLsCommandLoadsAsItIs() throws {
        let file = try ConfigurationFile.read(path: Fixture.url("trl_user.yaml").path)
        let configuration = try RunConfiguration(layers: [file])
        #expect(configuration.settings.model == "Qwen/Qwen2.5-0.5B-Instruct")
        #expect(configuration.settings.loraTargetModules.count == 7)
        #expect(configuration.settings.precision == .nf4)
        #expect(configuration.trainer.optimizer.learningRate == 5e-6)
        #expect(configuration.trainer.lossType == .drGRPO)
        #expect(configuration.trainer.scaleRewards == RewardScaling.none)
        #expect(configuration.trainer.epsilonHigh == 0.28)
        #expect(configuration.trainer.optimizer.warmupRatio == 0.1)
        #expect(configuration.trainer.output.outputDir == "Qwen2.5-0.5B-GRPO")
        #expect(configuration.trainer.memoryUtilization == 0.3)
        let notices = configuration.notices.joined(separator: "\n")
        for key in [
            "use_vllm", "vllm_gpu_memory_utilization", "optim", "tf32", "attn_implementation",
        ] {
            #expect(notices.contains(key), "\(key)")
        }
    }
}
