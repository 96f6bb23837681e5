import ApusTestSupport
import Testing

@testable import ApusTrain

/// Advantages and prompt order against trl 1.16 (trl_advantages.json).
struct AdvantagesTests {
    @Test func agreeWithTRL() throws {
        let file = try Fixture.json("trl_advantages.json", as: AdvantageFile.self)
        #expect(file.cases.count == 23)
        for test in file.cases {
            let table = test.rewards_per_func.map { $0.map { $0 ?? .nan } }
            let names = table[0].indices.map { "r\($0)" }
            let weights = test.reward_weights ?? names.map { _ in 1 }
            let result = Advantages(
                table: table, weights: weights, groupSize: test.num_generations, scaling: test.scale_rewards,
                aggregation: test.multi_objective_aggregation)
            #expect(result.values.count == test.advantages.count)
            for (value, expected) in zip(result.values, test.advantages) {
                // TRL divides rounding noise of a constant group by 1e-4; here such a group is exactly 0.
                #expect(
                    isClose(value, expected, tolerance: value == 0 ? 1e-2 : 1e-5), "\(test.name) \(value) \(expected)")
            }
            let metrics = RewardMetrics.metrics(table: table, names: names, advantages: result)
            for (name, expected) in test.metrics {
                let value = try #require(metrics.first { $0.name == name }, "\(name)").value
                guard let expected else {
                    #expect(value.isNaN, "\(test.name): \(name) \(value)")
                    continue
                }
                #expect(isClose(value, expected), "\(test.name): \(name) \(value) \(expected)")
            }
        }
    }

    @Test func constantGroupIsExactlyZero() {
        let table = Array(repeating: [0.1], count: 6)
        let result = Advantages(
            table: table, weights: [1], groupSize: 6, scaling: .group, aggregation: .sumThenNormalize)
        #expect(result.values == Array(repeating: 0, count: 6))
        #expect(result.hasZeroSpread == Array(repeating: true, count: 6))
    }

    @Test func promptOrderIsTRLs() throws {
        let file = try Fixture.json("trl_advantages.json", as: AdvantageFile.self)
        for test in file.samplers {
            var configuration = GRPOConfiguration()
            configuration.perDeviceTrainBatchSize = test.cfg.per_device_train_batch_size
            configuration.gradientAccumulationSteps = test.cfg.gradient_accumulation_steps ?? 1
            configuration.numGenerations = test.cfg.num_generations
            configuration.numIterations = test.cfg.num_iterations ?? 1
            configuration.stepsPerGeneration = test.cfg.steps_per_generation
            configuration.generationBatchSize = test.cfg.generation_batch_size
            configuration.optimizer.numTrainEpochs = test.cfg.num_train_epochs ?? 3
            configuration.strictBatchSize = true
            let batch = try BatchPlan(configuration)
            #expect(batch.stepsPerGeneration == test.steps_per_generation, "\(test.name)")
            #expect(batch.generationBatchSize == test.generation_batch_size, "\(test.name)")
            var sampler = RepeatSampler(
                promptCount: test.dataset_rows, promptsPerGeneration: batch.promptsPerGeneration,
                shuffles: test.cfg.shuffle_dataset ?? true, seed: test.cfg.seed ?? 42)
            for expected in test.epochs {
                let order = sampler.nextEpoch().flatMap { chunk in
                    Array(repeating: chunk, count: batch.generateEvery).flatMap { $0 }
                }
                #expect(order == expected, "\(test.name)")
            }
            let plan = TrainingPlan(configuration, batch: batch, prompts: test.dataset_rows)
            #expect(plan.stepsPerEpoch == test.optimizer_steps_per_epoch, "\(test.name)")
            #expect(plan.maxSteps == test.max_steps, "\(test.name)")
        }
    }

    @Test func permutationsAreTorchs() throws {
        let file = try Fixture.json("trl_advantages.json", as: AdvantageFile.self)
        for (name, draws) in file.randperm {
            let numbers = name.split(separator: " ").compactMap { Int($0.drop { $0 != "=" }.dropFirst()) }
            var generator = MersenneTwister(seed: UInt32(numbers[1]))
            #expect(Array(generator.permutation(numbers[0]).prefix(12)) == draws.epoch0_first12, "\(name)")
            #expect(Array(generator.permutation(numbers[0]).prefix(12)) == draws.epoch1_first12, "\(name)")
        }
    }
}

struct AdvantageFile: Decodable {
    struct Case: Decodable {
        var name: String
        var num_generations: Int
        var scale_rewards: RewardScaling
        var multi_objective_aggregation: RewardAggregation
        var reward_weights: [Double]?
        var rewards_per_func: [[Double?]]
        var advantages: [Double]
        var metrics: [String: Double?]
    }
    struct Sampler: Decodable {
        struct Settings: Decodable {
            var per_device_train_batch_size: Int
            var gradient_accumulation_steps: Int?
            var num_generations: Int
            var num_iterations: Int?
            var steps_per_generation: Int?
            var generation_batch_size: Int?
            var num_train_epochs: Double?
            var seed: Int?
            var shuffle_dataset: Bool?
        }
        var name: String
        var dataset_rows: Int
        var cfg: Settings
        var steps_per_generation: Int
        var generation_batch_size: Int
        var epochs: [[Int]]
        var optimizer_steps_per_epoch: Int
        var max_steps: Int
    }
    struct Draws: Decodable {
        var epoch0_first12: [Int]
        var epoch1_first12: [Int]
    }
    var cases: [Case]
    var samplers: [Sampler]
    var randperm: [String: Draws]
}
