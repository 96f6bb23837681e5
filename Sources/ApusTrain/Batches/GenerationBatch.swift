import ApusGeneration
import ApusModel

/// One completion of a generation batch with all that training needs to know about it.
struct RolloutRow: Sendable {
    /// Its group: the index of its prompt.
    var group: Int
    /// What was sampled.
    var completion: Completion
    /// Whether the loss leaves it out because it was cut at the length limit.
    var isMasked: Bool
    /// Its advantage.
    var advantage = 0.0
    /// One score a reward function; `nil` where a function did not apply.
    var rewards: [Double?] = []
    /// Log-probabilities under the policy that sampled, where they have to be kept.
    var oldLogProbs: [Float]?
    /// Log-probabilities under the reference.
    var referenceLogProbs: [Float]?
}

/// The completions between two generations, in groups, and the order in which micro-steps take them.
struct GenerationBatch: Sendable {
    /// The groups' prompts.
    var prompts: [[Int32]]
    /// The completions, group by group.
    var rows: [RolloutRow]
    /// A random order of the rows; micro-steps take consecutive parts of it.
    var order: [Int] = []
    /// Optimizer steps done when it was sampled.
    var sampledAtStep: Int

    /// Tokens that count in the loss (`num_items_in_batch`).
    var itemCount: Int { rows.reduce(0) { $0 + ($1.isMasked ? 0 : $1.completion.tokens.count) } }
    /// The longest completion.
    var paddedLength: Int { rows.map(\.completion.tokens.count).max() ?? 0 }

    /// The rows of one of `count` equal slices.
    func slice(_ index: Int, of count: Int) -> ArraySlice<Int> {
        let size = order.count / count
        return order[(index * size)..<((index + 1) * size)]
    }
}

/// Some rows of a generation batch as trees: rows of one prompt share it.
struct PackedRows {
    /// The trees.
    private(set) var groups: [TokenGroup] = []
    /// `[group][completion]`: the row of the generation batch.
    private(set) var rows: [[Int]] = []

    init(_ selection: some Sequence<Int>, of batch: GenerationBatch) {
        var placement: [Int: Int] = [:]
        for row in selection {
            let group = batch.rows[row].group
            if placement[group] == nil {
                placement[group] = groups.count
                groups.append(TokenGroup(prompt: batch.prompts[group], completions: []))
                rows.append([])
            }
            guard let index = placement[group] else { continue }
            groups[index].completions.append(batch.rows[row].completion.tokens)
            rows[index].append(row)
        }
    }

    /// Calls `body` with each row and its scores.
    func forEach(_ scores: [[TokenScores]], _ body: (_ row: Int, TokenScores) -> Void) {
        for (rows, scores) in zip(rows, scores) {
            for (row, score) in zip(rows, scores) { body(row, score) }
        }
    }
}
