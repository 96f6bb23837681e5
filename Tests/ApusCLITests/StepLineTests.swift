import Testing

@testable import ApusCLI

@Suite struct StepLineTests {
    private static let metrics: [String: Double] = [
        "reward": 1.17912, "rewards/xmlcount_reward_func/mean": 0.5, "rewards/correctness_reward_func/mean": 0.958,
        "completions/mean_length": 155.83, "kl": 0.00123, "entropy": 0.3149, "grad_norm": 0.79,
        "learning_rate": 5e-6, "step_time": 3.21, "loss": 0.0092,
    ]

    private func line(_ step: Int, of count: Int, _ metrics: [String: Double], left: Double? = nil) -> StepLine {
        StepLine(
            step: step, stepCount: count, metrics: metrics,
            rewardNames: ["xmlcount_reward_func", "correctness_reward_func"],
            tokensPerSecond: left == nil ? nil : 812.4, secondsLeft: left)
    }

    @Test func aStepIsOneReadableLine() {
        #expect(
            line(12, of: 250, Self.metrics, left: 760).text()
                == "step  12/250  reward 1.179  (xmlcount 0.50, correctness 0.96)  length 155.8  kl 0.0012  "
                + "entropy 0.315  grad 0.790  lr 5e-06  812 tok/s  3.2 s  left 12 min 40 s")
    }

    @Test func whatWasNotMeasuredIsLeftOut() {
        #expect(line(3, of: 5, ["reward": 0.5, "learning_rate": 1e-4]).text() == "step 3/5  reward 0.500  lr 0.0001")
    }

    @Test func colourChangesNoText() {
        let colored = line(1, of: 5, Self.metrics)
        let escapes = ["\u{1B}[1m", "\u{1B}[0m"]
        for columns in [nil, 80, 20] {
            let text = escapes.reduce(colored.styled(columns: columns).coloredText) { $0.replacing($1, with: "") }
            #expect(text == colored.text(columns: columns))
        }
    }

    @Test func aNarrowTerminalGetsWhatMattersMost() {
        let whole = line(12, of: 250, Self.metrics, left: 760)
        #expect(
            whole.text(columns: 80)
                == "step  12/250  reward 1.179  (0.50 0.96)  length 155.8  3.2 s  left 12 min 40 s")
        #expect(whole.text(columns: 64) == "step  12/250  reward 1.179  (0.50 0.96)  length 155.8  3.2 s")
        #expect(whole.text(columns: 10) == "step  12/250  reward 1.179")
        #expect(whole.text(columns: 1000) == whole.text())
    }

    @Test(arguments: [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (125, "2 min 05 s"), (11520, "3 h 12 min")])
    func timeIsGivenInTwoUnits(seconds: Double, text: String) {
        #expect(timeSpan(seconds) == text)
    }
}
