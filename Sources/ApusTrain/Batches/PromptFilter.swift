import ApusData

/// Leaves prompts out that are too long, where `overlong_prompts` says so.
struct PromptFilter {
    /// The longest prompt in tokens, and what sets that limit; nil where every length will do.
    private let limit: (tokens: Int, reason: String)?
    private let tokenizer: any PromptTokenizer

    /// - Parameter contextLength: the model's, if there is one.
    init(_ configuration: GRPOConfiguration, contextLength: Int?, tokenizer: any PromptTokenizer) {
        self.tokenizer = tokenizer
        let completion = configuration.maxCompletionLength
        let room = contextLength.map {
            (max(0, $0 - completion), "the model's context of \($0) leaves beside max_completion_length \(completion)")
        }
        let set = configuration.maxPromptLength.map { ($0, "max_prompt_length allows") }
        let limits = [set, room].compactMap { $0 }
        limit = configuration.overlongPrompts == .drop ? limits.min { $0.0 < $1.0 } : nil
    }

    /// The samples whose prompt is short enough, and what to tell about the others.
    ///
    /// - Parameter name: what messages call the data.
    /// - Throws: ``TrainingError`` with code `tooFewPrompts` when none is left.
    func apply(to dataset: Dataset, _ name: String) throws(TrainingError) -> (dataset: Dataset, notice: String?) {
        guard let limit, !dataset.samples.isEmpty else { return (dataset, nil) }
        var kept: [Sample] = []
        var shortest = Int.max
        for (index, sample) in dataset.samples.enumerated() {
            let count = try tokenizer.tokens(of: sample, "prompt \(index + 1) of \(name)").count
            if count <= limit.tokens { kept.append(sample) } else { shortest = min(shortest, count) }
        }
        let dropped = dataset.samples.count - kept.count
        guard dropped > 0 else { return (dataset, nil) }
        let why = "longer than the \(limit.tokens) tokens that \(limit.reason)"
        guard !kept.isEmpty else {
            throw TrainingError(
                .tooFewPrompts,
                "\(name): 0 of \(dropped) rows are left: every prompt is \(why); the shortest has \(shortest): raise the "
                    + "limit, shorten the prompts or set overlong_prompts to cut")
        }
        return (
            Dataset(samples: kept),
            "\(dropped) of \(dataset.samples.count) prompts of \(name) are left out: they are \(why)"
        )
    }
}
