import ApusData

extension GRPOTrainer {
    /// Turns every prompt that the run will use into tokens, so that one that cannot be used is found before anything is
    /// computed or written.
    func preparePrompts(_ sampler: RepeatSampler) throws(TrainingError) {
        var sampler = sampler
        var used: Set<Int> = []
        let every = plan.batch.generateEvery
        var generations = (plan.maxSteps * plan.batch.accumulationSteps + every - 1) / every
        while generations > 0, used.count < plan.prompts {
            let epoch = sampler.nextEpoch().prefix(generations)
            used.formUnion(epoch.joined())
            generations -= epoch.count
        }
        var cutCount = 0
        for index in used.sorted() {
            var tokens = try tokens(ofPrompt: index)
            if let limit = configuration.maxPromptLength, tokens.count > limit {
                tokens = Array(tokens.suffix(limit))
                cutCount += 1
            }
            try checkContext(tokens, index)
            promptTokens[index] = tokens
        }
        guard cutCount > 0, let limit = configuration.maxPromptLength else { return }
        onEvent?(
            .warning(
                "\(cutCount) of \(used.count) prompts are longer than max_prompt_length \(limit): they lose their first "
                    + "tokens, the system prompt before all else"))
    }

    private func tokens(ofPrompt index: Int) throws(TrainingError) -> [Int32] {
        let tokens: [Int32]
        do {
            tokens = try tokenizer.tokens(of: dataset.samples[index].prompt)
        } catch {
            throw TrainingError(.prompt, "prompt \(index + 1) of the data set cannot be turned into tokens: \(error)")
        }
        guard !tokens.isEmpty else { throw TrainingError(.prompt, "prompt \(index + 1) of the data set is empty") }
        return tokens
    }

    private func checkContext(_ tokens: [Int32], _ index: Int) throws(TrainingError) {
        let completion = configuration.maxCompletionLength
        guard let limit = policy.contextLength, tokens.count + completion > limit else { return }
        throw TrainingError(
            .prompt,
            "prompt \(index + 1) has \(tokens.count) tokens, with max_completion_length \(completion) that is more than "
                + "the model's context of \(limit): lower max_completion_length or set max_prompt_length")
    }
}
