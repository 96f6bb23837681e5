import ApusData
import ApusGeneration

/// What was sampled for one generation batch, in one round or, with dynamic sampling, in several.
struct Rollout {
    /// A prompt's completions and their scores.
    struct Group {
        /// The prompt's index in the data set.
        var sample: Int
        var prompt: [Int32]
        var completions: [Completion]
        var texts: [String]
        /// `[completion][function]`, NaN where a function did not apply.
        var scores: [[Double]]
        /// Columns that reward functions added, one value a completion.
        var extraColumns: [String: [JSONValue]]
    }

    /// In the order in which they were drawn.
    private(set) var groups: [Group] = []
    /// Whether each group's rewards differ, so that it teaches something.
    private(set) var teaches: [Bool] = []
    private(set) var rounds = 0

    /// Groups that teach something.
    var usefulCount: Int { teaches.count { $0 } }

    /// Adds a round.
    mutating func append(_ round: [Group], teaches: [Bool]) {
        groups += round
        self.teaches += teaches
        rounds += 1
    }

    /// The groups to train on, `count` of them: those that teach something, in the order drawn, and as many of the others as
    /// are missing, which then count in every denominator as they would without dynamic sampling.
    func selection(_ count: Int) -> [Group] {
        let useful = groups.indices.filter { teaches[$0] }
        let others = groups.indices.filter { !teaches[$0] }
        return (useful + others).prefix(count).sorted().map { groups[$0] }
    }
}

extension [Rollout.Group] {
    /// `[row][function]`, rows of one group in sequence.
    var table: [[Double]] { flatMap(\.scores) }

    /// The batch of these groups' completions, in order.
    /// - Parameter masksTruncated: whether the loss leaves out what was cut at the length limit.
    func batch(sampledAtStep step: Int, masksTruncated: Bool) -> GenerationBatch {
        let rows = enumerated().flatMap { index, group in
            zip(group.completions, group.scores).map { completion, scores in
                RolloutRow(
                    group: index, completion: completion, isMasked: masksTruncated && completion.isTruncated,
                    rewards: scores.map { $0.isNaN ? nil : $0 })
            }
        }
        return GenerationBatch(prompts: map(\.prompt), rows: rows, sampledAtStep: step)
    }
}
