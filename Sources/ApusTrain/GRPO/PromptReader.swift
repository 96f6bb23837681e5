import ApusData

/// Turns the prompts of a run into tokens, so that one that cannot be used is found before anything is computed or written.
final class PromptReader {
    private let configuration: GRPOConfiguration
    private let tokenizer: any PromptTokenizer
    private let contextLength: Int?
    private let vocabularySize: Int?
    private let tell: (TrainingEvent) -> Void
    private var remarks = PromptRemarks()

    init(
        _ configuration: GRPOConfiguration, tokenizer: any PromptTokenizer, learner: any Learner,
        tell: @escaping (TrainingEvent) -> Void
    ) {
        self.configuration = configuration
        self.tokenizer = tokenizer
        contextLength = learner.contextLength
        vocabularySize = learner.vocabularySize
        self.tell = tell
    }

    /// The tokens of some prompts of a data set, by their index: cut from the left to `max_prompt_length`, and with a completion
    /// within the model's context.
    /// - Parameters:
    ///   - data: what messages call the data set.
    ///   - kind: what they call its prompts.
    /// - Throws: ``TrainingError`` with code `prompt`.
    func tokens(
        of indices: some Collection<Int>, in dataset: Dataset, _ data: String, _ kind: String
    ) throws(TrainingError) -> [Int: [Int32]] {
        var result: [Int: [Int32]] = [:]
        var cutCount = 0
        for index in indices.sorted() {
            let (tokens, isCut) = try fittingTokens(of: dataset.samples[index], "prompt \(index + 1) of \(data)")
            cutCount += isCut ? 1 : 0
            result[index] = tokens
        }
        if cutCount > 0, let limit = configuration.maxPromptLength {
            tell(
                .warning(
                    "\(cutCount) of \(indices.count) \(kind) are longer than max_prompt_length \(limit): they lose their first "
                        + "tokens, the system prompt before all else (see overlong_prompts)"))
        }
        return result
    }

    private func fittingTokens(
        of sample: Sample, _ name: String
    ) throws(TrainingError) -> (tokens: [Int32], isCut: Bool) {
        let whole = try tokenizer.tokens(of: sample, name)
        for remark in remarks.new(among: tokenizer.remarks(on: sample, named: name)) { tell(.warning("\(remark)")) }
        let limit = configuration.maxPromptLength ?? whole.count
        let isTooLong = whole.count > limit
        if isTooLong, configuration.overlongPrompts == .error {
            throw TrainingError(
                .prompt,
                "\(name) has \(whole.count) tokens, max_prompt_length is \(limit): raise it, shorten the prompt, or set "
                    + "overlong_prompts to drop or cut")
        }
        let tokens = Array(whole.suffix(limit))
        try TrainingError.check(tokens, below: vocabularySize, name)
        try checkContext(tokens, name)
        return (tokens, isTooLong)
    }

    private func checkContext(_ tokens: [Int32], _ name: String) throws(TrainingError) {
        let completion = configuration.maxCompletionLength
        guard let limit = contextLength, tokens.count + completion > limit else { return }
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
            tokens = try self.tokens(of: sample)
        } catch {
            throw TrainingError(.prompt, "\(name) cannot be turned into tokens: \(error)")
        }
        guard !tokens.isEmpty else { throw TrainingError(.prompt, "\(name) is empty") }
        return tokens
    }
}
