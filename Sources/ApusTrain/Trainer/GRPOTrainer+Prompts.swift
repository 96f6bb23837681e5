import ApusData

extension GRPOTrainer {
    /// Turns every prompt that the run will use into tokens, so that one that cannot be used is found before anything is
    /// computed or written.
    func preparePrompts() throws(TrainingError) {
        let used = usedPrompts
        var cutCount = 0
        for index in used.sorted() {
            let (tokens, isCut) = try fittingTokens(of: dataset.samples[index], "prompt \(index + 1) of the data set")
            cutCount += isCut ? 1 : 0
            promptTokens[index] = tokens
        }
        warnOfCuts(cutCount, of: used.count, "prompts")
    }

    /// The prompts that the run will draw, or may draw, by their index in the data set.
    private var usedPrompts: Set<Int> {
        guard !configuration.drawsBeyondBatch else { return Set(0..<plan.prompts) }
        let every = plan.batch.generateEvery
        let generations = (plan.maxSteps * plan.batch.accumulationSteps + every - 1) / every
        var stream = promptStream
        var used: Set<Int> = []
        var position = 0
        while position / plan.batch.promptsPerGeneration < generations, used.count < plan.prompts {
            used.insert(stream.prompt(at: position))
            position += 1
        }
        return used
    }

    /// Turns the evaluation prompts into tokens, once.
    func prepareEvaluationPrompts() throws(TrainingError) {
        guard evaluationTokens == nil, let dataset = evaluationDataset else { return }
        var cutCount = 0
        var prompts: [[Int32]] = []
        for (index, sample) in dataset.samples.enumerated() {
            let (tokens, isCut) = try fittingTokens(of: sample, "prompt \(index + 1) of the evaluation data")
            cutCount += isCut ? 1 : 0
            prompts.append(tokens)
        }
        evaluationTokens = prompts
        warnOfCuts(cutCount, of: prompts.count, "evaluation prompts")
    }

    private func warnOfCuts(_ count: Int, of all: Int, _ what: String) {
        guard count > 0, let limit = configuration.maxPromptLength else { return }
        onEvent?(
            .warning(
                "\(count) of \(all) \(what) are longer than max_prompt_length \(limit): they lose their first tokens, the "
                    + "system prompt before all else (see overlong_prompts)"))
    }

    /// The tokens of a prompt, cut from the left to `max_prompt_length`, which with a completion fit the model's context.
    /// - Parameter name: what messages call the prompt.
    private func fittingTokens(
        of sample: Sample, _ name: String
    ) throws(TrainingError) -> (tokens: [Int32], isCut: Bool) {
        let whole = try tokenizer.tokens(of: sample, name)
        if !hasToldOfBeginning, let repeated = tokenizer.repeatedBeginning(of: sample.prompt, named: name) {
            hasToldOfBeginning = true
            onEvent?(.warning("\(repeated)"))
        }
        let limit = configuration.maxPromptLength ?? whole.count
        let isTooLong = whole.count > limit
        if isTooLong, configuration.overlongPrompts == .error {
            throw TrainingError(
                .prompt,
                "\(name) has \(whole.count) tokens, max_prompt_length is \(limit): raise it, shorten the prompt, or set "
                    + "overlong_prompts to drop or cut")
        }
        let tokens = Array(whole.suffix(limit))
        try TrainingError.check(tokens, below: policy.vocabularySize, name)
        try checkContext(tokens, name)
        return (tokens, isTooLong)
    }

    private func checkContext(_ tokens: [Int32], _ name: String) throws(TrainingError) {
        let completion = configuration.maxCompletionLength
        guard let limit = policy.contextLength, tokens.count + completion > limit else { return }
        throw TrainingError(
            .prompt,
            "\(name) has \(tokens.count) tokens, with max_completion_length \(completion) that is more than "
                + "the model's context of \(limit): lower max_completion_length, set max_prompt_length, or set "
                + "overlong_prompts to drop")
    }
}

extension TrainingError {
    /// Refuses tokens that the embedding has no row for: the tokenizer's files are of another model.
    /// - Parameter name: what the message calls the text.
    static func check(_ tokens: [Int32], below limit: Int?, _ name: String) throws(TrainingError) {
        guard let limit, let token = tokens.first(where: { $0 < 0 || Int($0) >= limit }) else { return }
        throw TrainingError(
            .prompt,
            "\(name) has token \(token), the model's embedding has \(limit) rows: the tokenizer belongs to another model"
        )
    }
}

extension PromptTokenizer {
    /// The tokens of a sample's prompt, at least one.
    /// - Parameter name: what messages call the prompt.
    func tokens(of sample: Sample, _ name: String) throws(TrainingError) -> [Int32] {
        let tokens: [Int32]
        do {
            tokens = try self.tokens(of: sample.prompt)
        } catch {
            throw TrainingError(.prompt, "\(name) cannot be turned into tokens: \(error)")
        }
        guard !tokens.isEmpty else { throw TrainingError(.prompt, "\(name) is empty") }
        return tokens
    }
}
