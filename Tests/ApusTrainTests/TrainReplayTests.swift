import ApusData
import ApusGeneration
import ApusModel
import ApusTestSupport
import Foundation
import Testing

@testable import ApusTrain

/// Both recorded runs of TRL's trainer, as far as they go without a model: prompt order, batching, rewards, advantages,
/// stored log-probabilities, schedule, log lines; and the loss wherever the recording fixes it.
struct TrainReplayTests {
    /// Stored log-probabilities stand in for a model that does not move.
    private final class StoredLogProbs: RecordedRollouts {
        override func score(
            _ groups: [TokenGroup], temperature: Float, under policy: ScoringPolicy
        ) throws -> [[TokenScores]] {
            let stored = run.generations[generation - 1]
            let values = policy == .current ? stored.old_per_token_logps : stored.ref_per_token_logps
            scoredRows.append((groups.count, policy == .current))
            return try look(up: groups, in: #require(values))
        }

        override func forward(_ groups: [TokenGroup], temperature: Float) throws -> [[TokenScores]] {
            let stored = run.generations[generation - 1]
            return try look(up: groups, in: #require(stored.old_per_token_logps ?? stored.ref_per_token_logps))
        }

        private func look(up groups: [TokenGroup], in values: [[Float]]) throws -> [[TokenScores]] {
            let completions = run.generations[generation - 1].completion_ids
            return try groups.map { group in
                try group.completions.map { tokens in
                    let row = try #require(completions.firstIndex(of: tokens))
                    return TokenScores(
                        logProbs: Array(values[row].prefix(tokens.count)), entropies: tokens.map { _ in 1 })
                }
            }
        }
    }

    @Test(arguments: ["dapo", "reuse"]) func agreesWithTheRecordedRun(name: String) async throws {
        let run = try RecordedRun.named(name)
        let folder = try TemporaryFolder()
        let policy = StoredLogProbs(run)
        let (trainer, records) = try await run.replay(
            policy: Policy(sampler: policy, learner: policy), outputDir: folder.url.path)
        #expect(policy.generation == run.generations.count)
        #expect(trainer.loop.state.counters.microStep == run.micro.count)
        var keys = Dictionary(uniqueKeysWithValues: RecordedRun.rolloutKeys.map { ($0, 1e-6) })
        keys.merge(["learning_rate": 1e-9, "epoch": 1e-12, "step": 0]) { $1 }
        run.check(records, keys: keys)
        // The first step sees the very policy that sampled: its loss needs nothing but the stored log-probabilities.
        #expect(isClose(records[0]["loss"] ?? .nan, run.log[0]["loss"] ?? 0))
        #expect(isClose(records[0]["kl"] ?? .nan, run.log[0]["kl"] ?? 0))
        let last = try #require(run.generations.last)
        let generation = try #require(trainer.step.generation)
        #expect(generation.itemCount == last.num_items_in_batch)
        for (row, advantage) in zip(generation.rows, last.advantages) {
            #expect(isClose(row.advantage, advantage))
        }
    }

    @Test func oldLogProbsAreKeptExactlyWhenThePolicyMayMove() async throws {
        for (name, calls) in [("dapo", 0), ("reuse", 2)] {
            let run = try RecordedRun.named(name)
            let policy = StoredLogProbs(run)
            let folder = try TemporaryFolder()
            _ = try await run.replay(policy: Policy(sampler: policy, learner: policy), outputDir: folder.url.path)
            let old = policy.scoredRows.filter(\.adapterEnabled)
            #expect(old.isEmpty == (calls == 0))
        }
    }
}
