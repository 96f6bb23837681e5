import ApusModel

/// Sums over the tokens that one optimizer step learns.
struct StepScores {
    /// Tokens that are learnt in the whole step: what every sum is divided by.
    let tokenCount: Int
    private var negativeLogProb = 0.0
    private var entropy = 0.0
    private var likeliest = 0

    init(_ examples: some Sequence<TrainingExample>) {
        tokenCount = examples.reduce(0) { $0 + $1.learntCount }
    }

    /// Adds the scores of some of the step's examples.
    mutating func add(_ scores: TokenScores, _ example: TrainingExample, areLikeliest: [Bool]) {
        for (index, isLearnt) in example.isLearnt.enumerated() where isLearnt {
            negativeLogProb -= Double(scores.logProbs[index])
            entropy += Double(scores.entropies[index])
            likeliest += areLikeliest[index] ? 1 : 0
        }
    }

    /// The derivative of the mean negative log-probability by each token's.
    func gradient(_ example: TrainingExample) -> [Float] {
        let share = Float(-1 / Double(tokenCount))
        return example.isLearnt.map { $0 ? share : 0 }
    }

    var loss: Double { negativeLogProb / Double(tokenCount) }
    var meanEntropy: Double { entropy / Double(tokenCount) }
    var accuracy: Double { Double(likeliest) / Double(tokenCount) }
}
