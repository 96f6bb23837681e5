import Apus
import ArgumentParser

/// `apus score`: the log-probability of each token of a completion.
struct ScoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "score",
        abstract: "Print the log-probability of each token of a completion.",
        discussion: """
            This is the trainer's own scoring pass, at temperature 1: what it prints is what training sees.

              apus score --model M --prompt "What is 2 + 2?" --completion "4" --json

            --json prints one object with prompt_token_ids, token_ids and logprobs (natural logarithm, one for each \
            of token_ids).
            """)

    @OptionGroup var modelOptions: ModelOptions
    @OptionGroup var promptOptions: PromptOptions

    @Option(help: "The text to score. Special tokens written in it count as themselves; no end token is added.")
    var completion: String

    @Flag(help: "Print one JSON object instead of a table.")
    var json = false

    func run() async throws {
        let (model, adapter) = try await modelOptions.load()
        let prompt = try promptOptions.tokens(for: model.tokenizer)
        let tokens = model.tokenizer.encode(completion, addSpecialTokens: false)
        guard !tokens.isEmpty else { throw CommandFailure(.badInput, "--completion has no token to score") }
        let context = model.configuration.contextLength
        guard prompt.count + tokens.count <= context else {
            throw CommandFailure(
                .badInput,
                "prompt and completion have \(prompt.count + tokens.count) tokens, the model's context \(context); "
                    + "shorten them")
        }
        let scores = try failing(as: .runFailed) {
            try TrainingPass(model: model, adapter: adapter).score(
                [TokenGroup(prompt: prompt, completions: [tokens])], temperature: 1)
        }
        let result = ScoreResult(promptTokenIDs: prompt, tokenIDs: tokens, logProbs: scores[0][0].logProbs)
        if json {
            Terminal.printLine(try JSONLine.encode(result))
        } else {
            for (token, logProb) in zip(tokens, result.logProbs) {
                let text = try JSONLine.encode(model.tokenizer.decode([token], skipSpecialTokens: false))
                Terminal.printLine("\(fixed(Double(logProb), 6))\t\(token)\t\(text)")
            }
        }
    }
}

/// What `apus score --json` prints.
struct ScoreResult: Encodable {
    var promptTokenIDs: [Int32]
    var tokenIDs: [Int32]
    var logProbs: [Float]

    enum CodingKeys: String, CodingKey {
        case promptTokenIDs = "prompt_token_ids"
        case tokenIDs = "token_ids"
        case logProbs = "logprobs"
    }
}
