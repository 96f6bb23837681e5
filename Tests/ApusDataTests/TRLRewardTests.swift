import ApusTestSupport
import Testing

@testable import ApusData

/// TRL's rewards by name, against what trl 1.16's functions return.
struct TRLRewardTests {
    private func scores(_ name: String, _ texts: [String], lengths: [Int] = []) async throws -> [Double?] {
        let reward = try #require(BuiltInRewards.named(name))
        let tokens = lengths.isEmpty ? texts.map { _ in [] } : lengths.map { Array(repeating: Int32(1), count: $0) }
        return try await reward.scores(
            RewardContext(
                samples: texts.map { _ in Sample(prompt: .text(""), columns: [:]) }, completions: texts,
                completionTokens: tokens))
    }

    @Test func thinkFormat() async throws {
        let texts = [
            "<think>a</think>b", "<think>a\nb</think>\nc\n", "<think></think>", "x<think>a</think>", "<think>a",
            "<think>a<think>b</think>", "<think>a</think>b<think>", "", "<think>a</think></think>",
        ]
        #expect(try await scores("think_format_reward", texts) == [1, 1, 1, 0, 0, 0, 0, 0, 1])
    }

    @Test func softOverlongPunishment() async throws {
        let lengths = [1, 1024, 1025, 1152, 1280, 1281, 5000]
        let found = try await scores(
            "get_soft_overlong_punishment", lengths.map { _ in "" }, lengths: lengths)
        #expect(found == [0, 0, -1 / 256, -0.5, -1, -1, -1])
    }

    @Test("240 completions each, as TRL scores them")
    func goldens() async throws {
        let golden = try #require(try JSONValue(json: Fixture.data("trl_rewards.json")).object)
        for (name, value) in golden {
            let rows = try #require(value.array).compactMap(\.array)
            #expect(rows.count == 240)
            let lengths = rows.compactMap(\.[0].integer)
            let found = try await scores(name, rows.map { $0[0].string ?? "" }, lengths: lengths)
            for (row, score) in zip(rows, found) { #expect(score == row[1].number, "\(name): \(row[0])") }
        }
    }
}
