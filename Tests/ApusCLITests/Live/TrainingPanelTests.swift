import ApusData
import ApusText
import Testing

@testable import ApusCLI
@testable import ApusTrain

/// The panel as text, at the widths that terminals have.
struct TrainingPanelTests {
    /// A run of 50 steps in the middle of sampling for its 13th, after steps of 10 seconds.
    private static func state(_ change: (inout MetricsRecord) -> Void = { _ in }) throws -> PanelState {
        var configuration = GRPOConfiguration()
        configuration.optimizer.maxSteps = 50
        configuration.numGenerations = 4
        var plan = TrainingPlan(configuration, batch: try BatchPlan(configuration), prompts: 100)
        plan.plannedMemory = 1_288_490_189
        var state = PanelState()
        state.apply(.started(plan), at: 0)
        for step in 1...12 {
            state.apply(.phase(.rollout, step: step), at: Double(step) * 10)
            state.apply(.stepFinished(step: step, of: 50), at: Double(step) * 10 + 10)
            var record = record(step)
            if step == 12 { change(&record) }
            state.apply(.logged(record), at: Double(step) * 10 + 10)
        }
        state.apply(.saved(path: "outputs/checkpoint-12"), at: 130)
        state.apply(.phase(.rollout, step: 13), at: 130)
        state.apply(.progress(.rollout, step: 13, done: 600, of: 4096), at: 134)
        return state
    }

    private static func record(_ step: Int) -> MetricsRecord {
        var record = MetricsRecord(step: step)
        let values: [(String, Double)] = [
            ("grad_norm", 0.79), ("learning_rate", 5e-6), ("completions/mean_length", 170 - Double(step)),
            ("completions/clipped_ratio", 0.03125), ("reward", 0.5 + Double(step * step) / 100),
            ("frac_reward_zero_std", 0.25), ("kl", 0.0012), ("entropy", 0.315), ("time/rollout", 6),
            ("time/reward", 0.1),
            ("time/train", 3.9), ("step_time", 10), ("tokens_per_second", 812.4), ("reward_std", 0.5),
            ("clip_ratio/region_mean", 0),
        ]
        for (name, value) in values { record.append(name, value) }
        return record
    }

    private func panel(_ columns: Int, rows: Int = .max, _ glyphs: Glyphs = .unicode) throws -> [String] {
        TrainingPanel(state: try Self.state(), now: 135, residentMemory: 325_058_560, glyphs: glyphs)
            .lines(columns: columns, rows: rows).map { String($0.text.reversed().drop { $0 == " " }.reversed()) }
    }

    @Test func accuracyStandsBesideTheReward() throws {
        var state = try Self.state()
        for (step, accuracy) in [(0, 0.5234), (10, 0.8594)] {
            var record = MetricsRecord(step: step)
            record.append("eval_loss", 0)
            record.append("eval_accuracy/lenient", accuracy)
            state.apply(.evaluated(EvaluationReport(step: step, record: record, samples: [], completions: [])), at: 1)
        }
        let lines = TrainingPanel(state: state, now: 135).lines(columns: 80).map(\.text)
        let index = try #require(lines.firstIndex { $0.hasPrefix("accuracy 86 %") })
        #expect(lines[index - 1].hasPrefix("reward 1.940") && lines[index].contains("from 52 % to 86 %"))
    }

    @Test func atEightyColumns() throws {
        let lines = try panel(80)
        #expect(
            lines == [
                "step 13/50      ███████▍░░░░░░░░░░░░░░░░░░░░░░░  left 6 min 15 s  24 %",
                "sampling        ██████████████▋░░░░░░░░░░░░░░░░  120 tok/s  5.0 s  600 tokens",
                "reward 1.940    ▁▁▁▁▂▂▃▄▅▆▇█                     from 0.510 to 1.940",
                "length 158.0    ██▇▆▆▅▄▃▃▂▁▁                     from 158.0 to 169.0",
                "grad 0.790  entropy 0.315  equal groups 25 %  cut off 3 %  kl 0.0012  lr 5e-06",
                "memory 310 MiB of at most 1.2 GiB  812 tok/s overall  saved checkpoint-12",
                "last step 10.0 s: rollout 60 %, reward 1 %, train 39 %",
            ])
    }

    @Test func atFortyColumns() throws {
        let lines = try panel(40)
        #expect(
            lines == [
                "step 13/50 ██▋░░░░░░░░  left 6 min 15 s",
                "sampling █████▋░░░░░░  120 tok/s  5.0 s",
                "reward 1.940 ▁▁▁▁▂▂▃▄▅▆▇█",
                "length 158.0 ██▇▆▆▅▄▃▃▂▁▁",
                "grad 0.790  entropy 0.315  cut off 3 %",
                "equal groups 25 %  kl 0.0012  lr 5e-06",
                "clipped 0 %  reward std 0.500",
                "memory 310 MiB of at most 1.2 GiB",
                "812 tok/s overall  saved checkpoint-12",
            ])
    }

    @Test func atTwoHundredColumns() throws {
        let lines = try panel(200)
        let step = String(repeating: "█", count: 19) + "▏" + String(repeating: "░", count: 60)
        let phase = String(repeating: "█", count: 37) + "▉" + String(repeating: "░", count: 42)
        let health = "grad 0.790  entropy 0.315  equal groups 25 %  cut off 3 %  kl 0.0012  lr 5e-06  clipped 0 %"
        let times = "last step 10.0 s: rollout 60 %, reward 1 %, train 39 %"
        #expect(lines.count == 6)
        #expect(lines[0] == "step 13/50      \(step)  left 6 min 15 s  24 %")
        #expect(lines[1] == "sampling        \(phase)  120 tok/s  5.0 s  600 tokens")
        #expect(lines[4] == health + "  reward std 0.500")
        #expect(lines[5] == "memory 310 MiB of at most 1.2 GiB  \(times)  812 tok/s overall  saved checkpoint-12")
    }

    @Test("Bad input 48: a terminal that is not in UTF-8 gets ASCII alone")
    func inASCII() throws {
        let lines = try panel(80, .ascii)
        #expect(lines.joined().utf8.allSatisfy { $0 < 128 })
        #expect(lines[0] == "step 13/50      #######........................  left 6 min 15 s  24 %")
        #expect(lines[2] == "reward 1.940    ____..:-=+*#                     from 0.510 to 1.940")
    }

    @Test(arguments: 1...240) func fitsEveryWidth(columns: Int) throws {
        var state = try Self.state()
        state.apply(.rollout(Self.report("漢字\u{1B}[2J👩‍👩‍👧\n" + String(repeating: "é", count: 300))), at: 134)
        let panel = TrainingPanel(state: state, now: 135, residentMemory: 1, showsCompletion: true)
        let lines = panel.lines(columns: columns)
        #expect(lines.allSatisfy { $0.width <= max(columns - 1, 1) })
        #expect(lines.allSatisfy { !$0.text.contains("\u{1B}") && !$0.text.contains("\n") })
        #expect(lines[0].text.hasPrefix(columns >= 11 ? "step 13/50" : ""))
    }

    private static func report(_ completion: String) -> RolloutReport {
        RolloutReport(
            step: 13, prompts: [.text("p")], completions: [completion], rewardNames: [], rewards: [[]], advantages: [0],
            isTruncated: [false])
    }

    @Test func fewRowsKeepWhatMattersMost() throws {
        #expect(try panel(80, rows: 5).map { $0.prefix(6) } == ["step 1", "sampli", "reward"])
        #expect(try panel(80, rows: 1).count == 1)
    }

    @Test func valuesOutsideOfTheHealthyRangeStandOut() throws {
        let state = try Self.state { $0.append("entropy", 0.001) }
        let lines = TrainingPanel(state: state, now: 135).lines(columns: 80)
        #expect(lines[4].coloredText.contains("\u{1B}[33mentropy 0.001\u{1B}[0m"))
        #expect(!lines[4].coloredText.contains("\u{1B}[33mgrad"))
    }

    @Test func timeLeftCountsDownWithinAStep() throws {
        let state = try Self.state()
        #expect(state.secondsLeft(at: 130) == 380)
        #expect(state.secondsLeft(at: 137) == 373)
        #expect(state.secondsLeft(at: 10_000) == 0)
    }

    @Test func samplingIsMeasuredByTheLastStepsLength() throws {
        let state = try Self.state()
        #expect(state.phaseShare == 600.0 / (158 * 8))
        var full = state
        full.apply(.progress(.rollout, step: 13, done: 4000, of: 4096), at: 135)
        #expect(full.phaseShare == 0.99)
    }

    @Test func anEvaluationIsNoStep() throws {
        var state = PanelState()
        state.apply(.phase(.evaluation, step: 0), at: 0)
        #expect(state.secondsLeft(at: 5) == nil && state.currentStep == 0)
        state.apply(.phase(.rollout, step: 1), at: 10)
        state.apply(.stepFinished(step: 1, of: 3), at: 20)
        state.apply(.phase(.evaluation, step: 1), at: 20)
        #expect(state.currentStep == 1)
        #expect(state.secondsLeft(at: 20) == 20)
        let panel = TrainingPanel(state: state, now: 21).lines(columns: 80).map(\.text)
        #expect(panel[0].hasPrefix("step 1/3 ") && panel[1].hasPrefix("evaluating "))
    }

    @Test func aContinuedRunBeginsWhereItWas() throws {
        var state = PanelState()
        state.apply(.phase(.rollout, step: 31), at: 5)
        state.apply(.stepFinished(step: 31, of: 40), at: 15)
        #expect(state.stepsDone == 31)
        #expect(state.secondsLeft(at: 15) == 90)
    }
}
