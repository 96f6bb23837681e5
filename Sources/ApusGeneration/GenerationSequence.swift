internal import ApusTensor

/// One completion in the making.
struct GenerationSequence {
    let request: Int
    let sample: Int
    /// The most tokens that it may have.
    let limit: Int
    var tokens: [Int32] = []
    /// What the head said of each token.
    var scores: [HeadScore] = []
    var finishReason: FinishReason?
    /// The last bytes of its text, where texts end it.
    var tail: [UInt8] = []
    /// Its pages from the prompt's first on; none while it waits.
    var table: [Int32] = []
    /// Its place among the tables of running sequences.
    var lane = 0

    /// What has been sampled; where generation was cut short, what there was.
    var completion: Completion {
        Completion(tokens: tokens, logProbs: scores.map(\.logProb), finishReason: finishReason ?? .length)
    }
}
