/// The prompts of a run in the order in which they are drawn: TRL's passes over the data, one after another.
///
/// What does not fill a generation batch at the end of a pass is left out, as TRL does. Which prompt is at a position depends on
/// the seed alone.
struct PromptStream: Sendable {
    private let beginning: RepeatSampler
    private var sampler: RepeatSampler
    private var passes = 0
    /// The prompts of the newest pass.
    private var order: [Int] = []

    init(_ sampler: RepeatSampler) {
        beginning = sampler
        self.sampler = sampler
    }

    /// Prompts drawn in one pass over the data.
    var promptsPerPass: Int { beginning.generationsPerEpoch * beginning.promptsPerGeneration }

    /// The index of the prompt at a position, from 0. Going back costs all passes before.
    mutating func prompt(at position: Int) -> Int {
        let (pass, index) = position.quotientAndRemainder(dividingBy: promptsPerPass)
        if pass + 1 < passes { self = PromptStream(beginning) }
        while passes <= pass {
            order = Array(sampler.nextEpoch().joined())
            passes += 1
        }
        return order[index]
    }
}
