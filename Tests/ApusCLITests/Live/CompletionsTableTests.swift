import ApusData
import ApusText
import Testing

@testable import ApusCLI
@testable import ApusTrain

struct CompletionsTableTests {
    private static let report = RolloutReport(
        step: 12,
        prompts: ["What is 3*4?", "What is 3*4?", "What is 7-2?", "What is 7-2?"].map {
            .messages([Message(role: "system", content: "s"), Message(role: "user", content: $0)])
        },
        completions: ["3*4=12\n<answer>12</answer>", "12", "5", "7-2 is 漢字 and so on and on and on without an end"],
        rewardNames: ["exact_reward_func", "format"], rewards: [[2, 0.5], [2, nil], [2, 0], [0, 0]],
        advantages: [0.5, -0.5, 1, -1], isTruncated: [false, false, false, true])

    private func lines(_ columns: Int, limit: Int = 2, once: Bool = false) -> [String] {
        CompletionsTable(report: Self.report, step: 12, limit: limit, showsPromptsOnce: once).lines(columns: columns)
    }

    @Test func atEightyColumns() {
        #expect(
            lines(80)
                == [
                    "step 12: 2 of 4 completions; all are in completions/completions_00012.jsonl",
                    "prompt            completion                           exact  format  advantage",
                    String(repeating: "─", count: 79),
                    "What is 3*4?      3*4=12⏎<answer>12</answer>            2.00    0.50       0.50",
                    "What is 7-2?      5                                     2.00    0.00       1.00",
                ].map { CellWidth.truncated($0, to: 79, mark: "…") })
    }

    @Test func atFortyColumnsAreBlocks() {
        #expect(
            lines(40, limit: 1) == [
                "step 12: 1 of 4 completions; all are i…", "  prompt: What is 3*4?",
                "  answer: 3*4=12⏎<answer>12</answer>", "  exact 2.00  format 0.50", "  advantage 0.50",
            ])
    }

    @Test func promptsCanBeShownOnce() {
        #expect(lines(200, limit: 9).count == 3 + 4)
        #expect(lines(200, limit: 9, once: true).count == 3 + 2)
        #expect(lines(200, limit: 9).last?.contains("[cut off]") == true)
        #expect(lines(200, limit: 9)[4].contains("    -  "))
    }

    @Test(arguments: 20...200) func fitsEveryWidth(columns: Int) {
        #expect(lines(columns, limit: 4).allSatisfy { CellWidth.of($0) < columns })
    }
}
