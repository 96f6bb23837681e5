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

    @Test func tutorialRatesAgree() throws {
        let file = try Fixture.json("optimizer.json", as: ScheduleFile.self)
        var configuration = GRPOConfiguration()
        configuration.learningRate = 5e-6
        configuration.warmupRatio = 0.1
        let schedule = LearningRateSchedule(configuration, maxSteps: 250)
        for (step, rate) in file.tutorial_lr {
            let step = try #require(Int(step))
            #expect(isClose(schedule.learningRate(step: step - 1) / 5e-6, rate / 5e-6, tolerance: 1e-12))
        }
    }

    @Test func warmupRoundsUp() throws {
        for test in try Fixture.json("optimizer.json", as: ScheduleFile.self).warmup {
            var configuration = GRPOConfiguration()
            configuration.warmupSteps = test.warmup_steps
            #expect(LearningRateSchedule.warmupSteps(configuration, maxSteps: test.max_steps) == test.resolved)
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
