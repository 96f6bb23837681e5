import ApusData

/// The longest prompt as a share of the data: what notebooks work out with `numpy.quantile` before they begin.
enum PromptQuantile {
    /// The length that this share of the prompts does not exceed, in whole tokens: numpy's linear interpolation, cut off.
    static func length(_ share: Double, of lengths: [Int]) -> Int {
        let sorted = lengths.sorted()
        guard let last = sorted.indices.last else { return 0 }
        let place = share * Double(last)
        let below = place.wholeNumber(in: 0...last)
        let above = min(below + 1, last)
        let fraction = place - Double(below)
        let value = Double(sorted[below]) + fraction * Double(sorted[above] - sorted[below])
        return value.wholeNumber(in: 0...Int.max)
    }

    /// Sets `max_prompt_length` by the data where `max_prompt_quantile` asks for it; longer prompts are left out then.
    ///
    /// - Returns: what to tell of it.
    /// - Throws: ``TrainingError`` for a prompt that cannot be turned into tokens.
    static func settle(
        _ configuration: inout GRPOConfiguration, by dataset: Dataset, _ tokenizer: any PromptTokenizer
    ) throws(TrainingError) -> String? {
        guard let share = configuration.maxPromptQuantile else { return nil }
        var lengths: [Int] = []
        for (index, sample) in dataset.samples.enumerated() {
            lengths.append(try tokenizer.tokens(of: sample, "prompt \(index + 1) of the data set").count)
        }
        let limit = max(1, length(share, of: lengths))
        configuration.maxPromptLength = limit
        configuration.overlongPrompts = .drop
        return "max_prompt_length is \(limit), which \(share * 100) % of the prompts do not exceed"
    }
}
