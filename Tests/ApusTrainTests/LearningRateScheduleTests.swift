import ApusData
import ApusTestSupport
import Testing

@testable import ApusTrain

/// Learning rates against Transformers' schedules (optimizer.json).
struct LearningRateScheduleTests {
    @Test func multipliersAgreeWithTransformers() throws {
        let file = try Fixture.json("optimizer.json", as: ScheduleFile.self)
        var checked = 0
        for test in file.schedules where test.lr_scheduler_kwargs == nil {
            let kind = try #require(ScheduleKind(rawValue: test.lr_scheduler_type))
            let schedule = LearningRateSchedule(
                kind: kind, peak: 1, warmupSteps: test.warmup_steps, maxSteps: test.max_steps)
            for (step, expected) in test.multiplier.enumerated() {
                #expect(isClose(schedule.multiplier(step: step), expected, tolerance: 1e-11))
            }
            checked += 1
        }
        #expect(checked == 7)
    }

    @Test func everyScheduleWithItsArgumentsAgreesWithTransformers() throws {
        struct Goldens: Decodable {
            struct Schedule: Decodable {
                var kind: String
                var arguments: [String: JSONValue]
                var warmup: Int
                var steps: Int
                var rates: [Double]
            }
            struct Plateau: Decodable {
                var arguments: [String: JSONValue]
                var rates: [Double]
            }
            var peak: Double
            var schedules: [Schedule]
            var values: [Double]
            var plateaus: [Plateau]
        }
        let goldens = try Fixture.json("schedules.json", as: Goldens.self)
        let kinds = Set(goldens.schedules.map(\.kind)).union(["reduce_lr_on_plateau"])
        #expect(kinds == Set(ScheduleKind.allCases.map(\.rawValue)))
        for golden in goldens.plateaus {
            let arguments = try #require(ScheduleArguments(setting: .object(golden.arguments)))
            try arguments.validate(for: .reduceOnPlateau, peak: goldens.peak)
            let schedule = LearningRateSchedule(
                kind: .reduceOnPlateau, arguments: arguments, peak: goldens.peak, warmupSteps: 3, maxSteps: 40)
            for (count, rate) in golden.rates.enumerated() {
                let found = schedule.learningRate(step: 7, evaluations: Array(goldens.values.prefix(count)))
                #expect(abs(found - rate) <= 1e-6 * goldens.peak, "\(golden.arguments) \(count): \(found), \(rate)")
            }
        }
        for golden in goldens.schedules {
            let kind = try #require(ScheduleKind(rawValue: golden.kind))
            let arguments = try #require(ScheduleArguments(setting: .object(golden.arguments)))
            try arguments.validate(for: kind, peak: goldens.peak)
            let schedule = LearningRateSchedule(
                kind: kind, arguments: arguments, peak: goldens.peak, warmupSteps: golden.warmup, maxSteps: golden.steps
            )
            for (step, rate) in golden.rates.enumerated() {
                let found = schedule.learningRate(step: step)
                #expect(
                    abs(found - rate) <= 1e-6 * goldens.peak,
                    "\(golden.kind) \(golden.arguments) warmup \(golden.warmup) step \(step): \(found), wanted \(rate)")
            }
        }
    }

    @Test(
        arguments: [
            ("cosine", ["power": .number(2)], "power is no argument of cosine: it takes num_cycles"),
            ("linear", ["num_cycles": .number(2)], "num_cycles is no argument of linear: it takes none"),
            ("cosine_with_min_lr", [:], "neither of min_lr and min_lr_rate: cosine_with_min_lr needs one"),
            (
                "cosine_with_min_lr", ["min_lr": .number(1e-7), "min_lr_rate": .number(0.1)],
                "both of min_lr and min_lr_rate"
            ),
            ("warmup_stable_decay", [:], "no num_decay_steps: warmup_stable_decay needs it"),
            ("polynomial", ["lr_end": .number(1)], "lr_end 1.0 must be below learning_rate"),
            ("cosine", ["num_cycles": .string("many")], "a mapping must be"),
            ("cosine", ["num_cycles": .number(-1)], "a mapping must be"),
        ] as [(String, [String: JSONValue], String)])
    func argumentsThatDoNotFitAreRefused(kind: String, arguments: [String: JSONValue], message: String) {
        let error = #expect(throws: ConfigurationError.self) {
            try GRPOConfiguration(settings: [
                "lr_scheduler_type": .string(kind), "lr_scheduler_kwargs": .object(arguments),
            ])
        }
        #expect(error?.key == "lr_scheduler_kwargs")
        #expect(error?.description.contains(message) == true, "\(error?.description ?? "")")
    }

    @Test func tutorialRatesAgree() throws {
        let file = try Fixture.json("optimizer.json", as: ScheduleFile.self)
        var configuration = GRPOConfiguration()
        configuration.optimizer.learningRate = 5e-6
        configuration.optimizer.warmupRatio = 0.1
        let schedule = LearningRateSchedule(configuration.optimizer, maxSteps: 250)
        for (step, rate) in file.tutorial_lr {
            let step = try #require(Int(step))
            #expect(isClose(schedule.learningRate(step: step - 1) / 5e-6, rate / 5e-6, tolerance: 1e-12))
        }
    }

    @Test func warmupRoundsUp() throws {
        for test in try Fixture.json("optimizer.json", as: ScheduleFile.self).warmup {
            var configuration = GRPOConfiguration()
            configuration.optimizer.warmupSteps = test.warmup_steps
            #expect(
                LearningRateSchedule.warmupSteps(configuration.optimizer, maxSteps: test.max_steps) == test.resolved)
        }
    }
}

private struct ScheduleFile: Decodable {
    struct Arguments: Decodable {}
    struct Schedule: Decodable {
        var lr_scheduler_type: String
        var lr_scheduler_kwargs: Arguments?
        var warmup_steps: Int
        var max_steps: Int
        var multiplier: [Double]
    }
    struct Warmup: Decodable {
        var warmup_steps: Double
        var max_steps: Int
        var resolved: Int
    }
    var schedules: [Schedule]
    var tutorial_lr: [String: Double]
    var warmup: [Warmup]
}
