import ApusTensor

/// Where a run is in its prompts, and which of these taught nothing when they were drawn lately.
///
/// With `selective_rollout` a prompt whose last z groups in a row had equal rewards is drawn with the probability pᶻ only, where
/// p differs for groups that did well (easy) and badly (hard) and follows the share of such groups: it falls while more of
/// them are sampled than wanted, and rises else (GRESO: Zheng et al., "Act Only When It Pays: Efficient Reinforcement Learning
/// for LLM Reasoning via Selective Rollouts", 2025, with its constants). No prompt's probability falls below a floor.
struct PromptSelection: Codable, Sendable, Equatable {
    /// How often in a row, up to now, a prompt's group taught nothing.
    private struct Streak: Codable, Equatable {
        var count: Int
        var isEasy: Bool
    }

    /// The base probability of a kind of prompt, and the share of sampled groups that may be of that kind.
    struct Exploration: Codable, Equatable {
        private(set) var probability = 0.5
        let wantedShare: Double

        private static let step = 0.01

        mutating func follow(_ share: Double) {
            let next = probability + (share >= wantedShare ? -Self.step : Self.step)
            probability = min(max(next, PromptSelection.floor), 1)
        }
    }

    /// No prompt is drawn less often than with this probability: what was too hard or too easy may not stay so.
    private static let floor = 0.05
    /// Random numbers of their own, beside those of sampling.
    private static let streamOfSeeds: UInt64 = 0x7072_6F6D << 32

    /// The position in the stream of the next prompt.
    var position = 0
    /// Prompts that were passed over so far.
    private(set) var skipped = 0
    private(set) var easy = Exploration(wantedShare: 0.25 / 3)
    private(set) var hard = Exploration(wantedShare: 0.5 / 3)
    private var streaks: [Int: Streak] = [:]
    private var lowestReward = Double.greatestFiniteMagnitude
    private var highestReward = -Double.greatestFiniteMagnitude

    /// Draws the next prompts.
    /// - Parameter seed: of the decisions to pass over a prompt; `nil` draws every prompt.
    mutating func draw(_ count: Int, from stream: inout PromptStream, skippingBy seed: Int?) -> [Int] {
        let random = seed.map { Philox(seed: UInt64($0) ^ Self.streamOfSeeds) }
        var prompts: [Int] = []
        // After a whole pass that drew nothing every prompt will do.
        var end = position + stream.promptsPerPass
        while prompts.count < count {
            let prompt = stream.prompt(at: position)
            let number = random?.uniform(step: position >> 31, sample: position & 0x7FFF_FFFF, position: 0) ?? 0
            position += 1
            if position <= end, number >= probability(of: prompt) {
                skipped += 1
            } else {
                prompts.append(prompt)
                end = position + stream.promptsPerPass
            }
        }
        return prompts
    }

    /// How likely a prompt is drawn when its turn comes.
    func probability(of prompt: Int) -> Double {
        guard let streak = streaks[prompt] else { return 1 }
        let base = (streak.isEasy ? easy : hard).probability
        var probability = 1.0
        for _ in 0..<min(streak.count, 64) { probability *= base }
        return max(probability, Self.floor)
    }

    /// Takes what a generation's groups showed.
    /// - Parameter groups: the rewards of each group, NaN where nothing was scored, and whether these teach anything.
    mutating func observe(_ groups: [(prompt: Int, rewards: [Double], teaches: Bool)]) {
        for reward in groups.flatMap(\.rewards) where reward.isFinite {
            lowestReward = min(lowestReward, reward)
            highestReward = max(highestReward, reward)
        }
        var counts = (easy: 0, hard: 0)
        for group in groups {
            guard !group.teaches, group.rewards.mean.isFinite else {
                streaks[group.prompt] = nil
                continue
            }
            let isEasy = group.rewards.mean > lowestReward + (highestReward - lowestReward) / 2
            let count = streaks[group.prompt].map { $0.isEasy == isEasy ? $0.count : 0 } ?? 0
            streaks[group.prompt] = Streak(count: count + 1, isEasy: isEasy)
            if isEasy { counts.easy += 1 } else { counts.hard += 1 }
        }
        guard !groups.isEmpty else { return }
        easy.follow(Double(counts.easy) / Double(groups.count))
        hard.follow(Double(counts.hard) / Double(groups.count))
    }
}
