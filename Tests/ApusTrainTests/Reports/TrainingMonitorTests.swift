import ApusData
import Testing

@testable import ApusTrain

/// Synthetic series: what is warned about, when, and how often.
struct TrainingMonitorTests {
    /// The warnings of a run, by the step of the line that brought them.
    private func warnings(
        _ steps: some Sequence<Int>, rewards: [any RewardFunction] = [], _ values: (Int) -> [String: Double?]
    ) -> [(step: Int, text: String)] {
        var monitor = TrainingMonitor(rewards: rewards)
        return steps.flatMap { step in
            var record = MetricsRecord(step: step)
            for (name, value) in values(step).sorted(by: { $0.key < $1.key }) { record.append(name, value) }
            return monitor.observe(record).map { (step, $0) }
        }
    }

    private let healthy: [String: Double?] = [
        "frac_reward_zero_std": 0.25, "completions/clipped_ratio": 0.1, "entropy": 0.3, "kl": 0.01, "grad_norm": 0.4,
        "rewards/format/mean": 0.5, "rewards/format/std": 0.1,
    ]

    @Test func aHealthyRunHearsNothing() {
        #expect(warnings(1...200) { _ in healthy }.isEmpty)
    }

    @Test("Bad input 32: all rewards equal for 20 steps is one warning, and one more after it was over")
    func equalRewards() {
        let found = warnings(1...100) { step in
            ["frac_reward_zero_std": (1...45).contains(step) || (60...90).contains(step) ? 1 : 0.5]
        }
        #expect(found.map(\.step) == [20, 79])
        #expect(found[0].text.hasPrefix("for 20 steps the rewards in every group were equal"))
        #expect(found[0].text.contains("healthy below 0.8") && found[0].text.contains("stop_after_equal_rewards"))
    }

    @Test func stepsAreCountedNotLines() {
        let found = warnings(stride(from: 10, through: 60, by: 10)) { _ in ["frac_reward_zero_std": 1] }
        #expect(found.map(\.step) == [20])
    }

    @Test func truncation() {
        let found = warnings(1...30) { step in ["completions/clipped_ratio": step == 4 ? 0.99 : 1] }
        #expect(found.map(\.step) == [9])
        #expect(found[0].text.contains("max_completion_length"))
    }

    @Test func silentRewardsAreNamedTogether() {
        let found = warnings(1...60) { step in
            [
                "rewards/a/mean": 0, "rewards/a/std": 0, "rewards/b/mean": 0, "rewards/b/std": 0,
                // Mean 0 with a spread is a reward that says something.
                "rewards/c/mean": 0, "rewards/c/std": 1,
                // One that does not apply says nothing either way.
                "rewards/d/mean": nil, "rewards/e/mean": step == 30 ? 1 : 0,
            ]
        }
        #expect(found.map(\.step) == [20, 50])
        #expect(found[0].text.hasPrefix("reward functions a, b and e gave 0 to every completion for 20 steps"))
        #expect(found[1].text.hasPrefix("reward function e gave 0"))
    }

    @Test func entropyThatCollapsesIsToldAndThatFlickersIsToldOnce() {
        let found = warnings(1...200) { step in
            ["entropy": step < 50 ? 0.3 : step < 120 ? (step % 3 == 0 ? 0.03 : 0.01) : 0.3]
        }
        #expect(found.count == 1)
        #expect(found.first?.step == 59)
        #expect(found.first?.text.contains("began at 0.3, now 0.01") == true)
        // A model that begins sure of itself has not collapsed.
        #expect(warnings(1...100) { _ in ["entropy": 0.01] }.isEmpty)
        // Lines without entropy, in which nothing was trained on, do not end an episode.
        let gaps = warnings(1...100) { step in ["entropy": step == 1 ? 0.3 : step % 2 == 0 ? nil : 0.001] }
        #expect(gaps.count == 1)
    }

    @Test func klThatBlowsUp() {
        let found = warnings(1...40) { step in ["kl": step < 10 ? 0.01 : step % 2 == 0 ? 5 : 0.8] }
        #expect(found.map(\.step) == [12])
        #expect(found[0].text.hasPrefix("kl has been above 1.0 for 3 steps (now 5.0"))
        #expect(warnings(1...40) { _ in ["kl": nil] }.isEmpty)
    }

    @Test func aGradientOfZeroThatIsNoneOfTheRewards() {
        let found = warnings(1...20) { _ in ["grad_norm": 0, "frac_reward_zero_std": 0.25] }
        #expect(found.map(\.step) == [3])
        #expect(warnings(1...20) { _ in ["grad_norm": 0, "frac_reward_zero_std": 1] }.map(\.step) == [20])
        #expect(warnings(1...20) { _ in ["grad_norm": nil, "frac_reward_zero_std": 0] }.isEmpty)
    }

    @Test func answersThatGiveUpTheirWorking() {
        // The lengths of two runs of Recipes/arithmetic.yaml on a real model: with a learning rate that was too high, and
        // with one that was not, where answers became shorter before they became right.
        let collapsed = [108.9, 78.4, 53.1, 45.4, 33.3, 28.5, 22.1, 24.2, 26.8, 24.3, 23.5, 24.2, 25, 23.6, 24.4, 30]
        let recovered = [108.9, 82.2, 75.2, 68.2, 66.6, 51.5, 52, 44, 49, 38.9, 50.2, 68.6, 70.7, 62.1, 73.8, 77.4]
        let found = warnings(1...16) { ["completions/mean_terminated_length": collapsed[$0 - 1]] }
        #expect(found.map(\.step) == [10])
        #expect(found.first?.text.contains("began at 108.9, now 24.3") == true)
        #expect(warnings(1...16) { ["completions/mean_terminated_length": recovered[$0 - 1]] }.isEmpty)
        // Without an answer that ends there is no length to speak of.
        #expect(warnings(1...16) { ["completions/mean_terminated_length": $0 == 1 ? 100 : 0] }.isEmpty)
    }

    @Test func rewardThatRisesWhileAccuracyFalls() {
        // Each line: reward and accuracy.
        let lines = [(0.8, 0.5), (1.5, 0.45), (2.1, 0.35), (2.2, 0.2), (0.5, 0.2), (2.3, 0.55), (2.4, 0.3)]
        let found = warnings(lines.indices) { index in
            ["eval_loss": 0, "eval_reward": lines[index].0, "eval_accuracy/lenient": lines[index].1]
        }
        #expect(found.map(\.step) == [2, 6])
        #expect(found.first?.text.contains("eval_reward 0.8 to 2.1") == true)
        #expect(found.first?.text.contains("eval_accuracy/lenient 0.5 to 0.35") == true)
        #expect(warnings(1...9) { ["eval_loss": 0, "eval_reward": Double($0)] }.isEmpty)
    }

    /// What two runs of an arithmetic recipe on a real model earned: with a learning rate that held and with one that did not.
    private enum Recorded {
        static let rewards = ["numeric_answer", "soft_format_dotall"].compactMap(BuiltInRewards.named)
        static let holds = (
            answers: [
                0.25, 0.12, 0.31, 0.38, 0.19, 0.56, 0.25, 0.12, 0.44, 0.56, 0.19, 0.62, 1.25, 0.69, 1.62, 1.06, 1.44,
                1.5,
                1.38, 1.12, 1.44, 1.62, 1.06, 1.81, 2, 1.31, 1.62, 1.56, 1.44, 1.56,
            ],
            form: [
                0.05, 0.03, 0.02, 0.16, 0.28, 0.39, 0.45, 0.47, 0.5, 0.47, 0.48, 0.47, 0.5, 0.48, 0.48, 0.5, 0.48, 0.45,
                0.48, 0.48, 0.5, 0.5, 0.47, 0.5, 0.48, 0.48, 0.48, 0.5, 0.5, 0.5,
            ],
            equal: [
                0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.5, 0.25, 0, 0.25, 0, 0, 0.25, 0.25, 0.25, 0, 0.5, 0.75, 0,
                0.25,
                0.25, 0.25, 0.5,
            ]
        )
        static let collapses = (
            answers: [
                0.25, 0.5, 0.12, 0.5, 0.25, 0.25, 0, 0, 0.06, 0.19, 0, 0, 0.19, 0.25, 0.12, 0, 0.44, 0.25, 0.81, 1, 1,
                0.56,
                0.5, 1.19, 1.44, 0.56, 0.56, 0.88, 1.44, 0.81,
            ],
            form: [
                0.05, 0, 0, 0.06, 0.25, 0.44, 0.5, 0.5, 0.34, 0.47, 0.5, 0.5, 0.48, 0.5, 0.5, 0.48, 0.5, 0.5, 0.5, 0.5,
                0.5,
                0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5,
            ],
            equal: [
                0, 0, 0, 0, 0, 0, 0.25, 0.75, 0, 0.25, 1, 1, 0.25, 0.75, 0.5, 0.25, 0.75, 0.5, 0.25, 0.5, 1, 0.5, 1,
                0.5,
                0.75, 0.25, 0.75, 0.25, 0.5, 0.25,
            ]
        )
    }

    private func recorded(
        _ run: (answers: [Double], form: [Double], equal: [Double]), rewards: [any RewardFunction] = Recorded.rewards
    ) -> [(step: Int, text: String)] {
        warnings(1...run.answers.count, rewards: rewards) { step in
            [
                "rewards/numeric_answer/mean": run.answers[step - 1], "rewards/numeric_answer/std": 1,
                "rewards/soft_format_dotall/mean": run.form[step - 1], "frac_reward_zero_std": run.equal[step - 1],
            ]
        }
    }

    @Test func formThatIsLearntWithoutAnswersAndGroupsThatAgreeMeanwhile() {
        #expect(recorded(Recorded.holds).isEmpty)
        let found = recorded(Recorded.collapses)
        #expect(found.map(\.step) == [18, 21])
        #expect(found.first?.text.contains("of the groups agreed with themselves") == true)
        #expect(found.first?.text.contains("dynamic_sampling") == true)
        #expect(found.last?.text.contains("the form is learnt and the answers are not") == true)
        // What nobody says the most of cannot be told from what is solved.
        #expect(recorded(Recorded.collapses, rewards: []).isEmpty)
    }

    @Test func groupsThatAgreeSinceTheyAreRightAreNoTrouble() {
        let found = warnings(1...40, rewards: Recorded.rewards) { _ in
            [
                "rewards/numeric_answer/mean": 1.9, "rewards/soft_format_dotall/mean": 0.5,
                "frac_reward_zero_std": 0.75,
            ]
        }
        #expect(found.isEmpty)
    }

    @Test func averagesAreOverStepsWhateverTheLines() {
        let found = warnings(stride(from: 5, through: 60, by: 5), rewards: Recorded.rewards) { _ in
            [
                "rewards/numeric_answer/mean": 0.1, "rewards/numeric_answer/std": 0.5,
                "rewards/soft_format_dotall/mean": 0.5, "frac_reward_zero_std": 0,
            ]
        }
        // Ten steps to average, and ten in which that lasts.
        #expect(found.map(\.step) == [15])
    }

    @Test func historyIsNotToldAgain() {
        var monitor = TrainingMonitor()
        var texts: [String] = []
        for step in 1...50 {
            var record = MetricsRecord(step: step)
            record.append("completions/clipped_ratio", 1)
            let warnings = monitor.observe(record)
            if step > 20 { texts += warnings }
        }
        #expect(texts.isEmpty)
    }

    @Test func rangesHoldTheirBounds() {
        #expect(HealthyRange.range(of: "frac_reward_zero_std")?.contains(0.8) == true)
        #expect(HealthyRange.range(of: "frac_reward_zero_std")?.contains(0.81) == false)
        #expect(HealthyRange.range(of: "reward") == nil)
        #expect(HealthyRange.table.values.allSatisfy { $0.lower < $0.upper })
    }
}
