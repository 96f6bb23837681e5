/// The order in which prompts are drawn: TRL's `RepeatSampler`, bit for bit.
///
/// Each pass over the data draws one order from a generator that is seeded once, and cuts it into generation batches. What
/// does not fill a batch is dropped.
struct RepeatSampler: Sendable {
    let promptCount: Int
    let promptsPerGeneration: Int
    private let shuffles: Bool
    private var generator: MersenneTwister

    init(promptCount: Int, promptsPerGeneration: Int, shuffles: Bool, seed: Int) {
        self.promptCount = promptCount
        self.promptsPerGeneration = promptsPerGeneration
        self.shuffles = shuffles
        generator = MersenneTwister(seed: UInt32(truncatingIfNeeded: seed))
    }

    /// Generation batches in one pass.
    var generationsPerEpoch: Int { promptCount / promptsPerGeneration }

    /// The prompts of each generation batch of the next pass.
    mutating func nextEpoch() -> [[Int]] {
        let order = shuffles ? generator.permutation(promptCount) : Array(0..<promptCount)
        return (0..<generationsPerEpoch).map { index in
            Array(order[(index * promptsPerGeneration)..<((index + 1) * promptsPerGeneration)])
        }
    }
}
