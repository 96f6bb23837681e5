import ApusData
import Foundation
import Testing

@testable import ApusTrain

struct GRPOConfigurationTests {
    @Test func everyKeyIsWrittenAndReadBack() throws {
        var configuration = GRPOConfiguration()
        configuration.epsilonHigh = 0.28
        configuration.lossType = .drGRPO
        let data = try JSONEncoder().encode(configuration)
        let tree = try JSONDecoder().decode([String: JSONValue].self, from: data)
        #expect(Set(tree.keys) == Set(GRPOConfiguration.settingNames))
        #expect(tree["delta"] == .null)
        #expect(tree["epsilon_high"] == .number(0.28))
        #expect(tree["loss_type"] == .string("dr_grpo"))
        #expect(try JSONDecoder().decode(GRPOConfiguration.self, from: data) == configuration)
        #expect(try GRPOConfiguration(settings: tree) == configuration)
    }

    @Test func defaultsAreTRLs() throws {
        let standard = GRPOConfiguration()
        #expect(try GRPOConfiguration(settings: [:]) == standard)
        #expect(standard.lossType == .dapo && standard.beta == 0 && standard.useBiasCorrectionKL)
        #expect(
            standard.numGenerations == 8 && standard.maxCompletionLength == 512
                && standard.optimizer.learningRate == 1e-6)
    }

    @Test func booleansNamesAndNumbersInQuotesAreRead() throws {
        let configuration = try GRPOConfiguration(settings: [
            "scale_rewards": .bool(false), "learning_rate": .string("5e-6"), "epsilon_high": .string("0.28"),
            "max_steps": .number(250),
        ])
        #expect(configuration.scaleRewards == .none)
        #expect(configuration.optimizer.learningRate == 5e-6)
        #expect(configuration.epsilonHigh == 0.28)
        #expect(configuration.optimizer.maxSteps == 250)
    }

    @Test(arguments: [
        ("num_generation", JSONValue.number(4), "unknown setting 'num_generation', did you mean 'num_generations'?"),
        ("zzz", .number(4), "unknown setting 'zzz'"),
        ("num_generations", .number(1), "num_generations: 1 must be at least 2"),
        ("num_generations", .number(4.5), "num_generations: 4.5 must be a whole number"),
        ("learning_rate", .number(-1), "learning_rate: -1.0 must be at least 0"),
        ("learning_rate", .string("fast"), "learning_rate: 'fast' must be a finite number"),
        ("learning_rate", .number(.nan), "learning_rate: nan must be a finite number"),
        ("learning_rate", .null, "learning_rate: null must be a finite number"),
        ("temperature", .number(0), "temperature: 0.0 must be above 0"),
        ("loss_type", .string("ppo"), "loss_type: 'ppo' must be one of grpo, dr_grpo"),
        ("scale_rewards", .string("row"), "scale_rewards: 'row' must be one of group, batch, none"),
        ("shuffle_dataset", .string("often"), "shuffle_dataset: 'often' must be true or false"),
        ("sync_ref_model", .bool(true), "sync_ref_model: true needs full fine-tuning"),
        ("generation_batch_size", .number(12), "generation_batch_size: 12 must be a multiple of"),
        ("save_total_limit", .number(0), "save_total_limit: 0 must be at least 1"),
        ("memory_utilization", .number(1.5), "memory_utilization: 1.5 must be above 0 and at most 1"),
        ("memory_utilization", .number(0), "memory_utilization: 0.0 must be above 0 and at most 1"),
        ("top_p", .number(0), "top_p: 0.0 must be above 0"),
        ("reward_weights", .string("1"), "reward_weights: '1' must be a list of numbers"),
        ("output_dir", .string(""), "output_dir: '' must be a path"),
    ])
    func wrongSettingsNameKeyValueAndRule(key: String, value: JSONValue, message: String) throws {
        let error = #expect(throws: ConfigurationError.self) { _ = try GRPOConfiguration(settings: [key: value]) }
        #expect(error?.description.hasPrefix(message) == true, "\(error?.description ?? "")")
        #expect(error?.key == key)
        #expect(error?.description.contains("\n") == false)
    }

    @Test func generationSizesAreExclusive() {
        let settings: [String: JSONValue] = [
            "generation_batch_size": .number(16), "steps_per_generation": .number(2),
        ]
        #expect(throws: ConfigurationError.self) { _ = try GRPOConfiguration(settings: settings) }
    }
}
