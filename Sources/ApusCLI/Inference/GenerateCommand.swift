import Apus
import ArgumentParser

/// `apus generate`: continues a prompt, token by token.
struct GenerateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate",
        abstract: "Continue a prompt with a model, with or without an adapter.",
        discussion: """
            The text is printed as it comes. The same seed gives the same text, whatever the number of threads.

              apus generate --model models/smollm2.gguf --prompt "What is 12 + 30?" --temperature 0
              apus generate --model M --adapter outputs/checkpoint-100 --system "Answer briefly." --prompt "Hello"

            --json prints one object with text, token_ids, prompt_token_ids, finish_reason (stop or length) and \
            tokens_per_second. Everything else goes to standard error.

            --n samples several answers; --prompts reads a file. All of them are decoded together, and each line that \
            comes out has prompt_index, sample, prompt, text, token_ids and finish_reason, in the order of the prompts. \
            What a prompt's samples are depends on --seed, --n, its place in the file and nothing else. Ctrl-C writes \
            what is finished and stops with status 130.

            An --output that exists is replaced only with --overwrite, and then when the new one is complete or Ctrl-C \
            has ended it.

              apus generate --model M --prompts questions.jsonl --n 4 --seed 7 --output answers.jsonl
            """)

    @OptionGroup var modelOptions: ModelOptions

    @Option(help: "The user's message, or with --raw the text to continue.")
    var prompt: String?

    @Option(help: "A file of prompts: .txt, one a line; .jsonl or .json, rows with a column of text or messages.")
    var prompts: String?

    @Option(help: "The column of --prompts; where a row lacks it, 'prompt' is taken.")
    var promptColumn = "question"

    @OptionGroup var format: PromptFormat
    @OptionGroup var sampling: SamplingOptions

    @Option(
        parsing: .unconditional, help: "Completions of each prompt (default: 1).",
        transform: NumericOption.integer(like: "num_generations_eval"))
    var n = 1

    @Option(help: "A new file for the JSON lines of --prompts or --n, instead of standard output.")
    var output: String?

    @Flag(help: "Replace what --output names.")
    var overwrite = false

    @OptionGroup var memory: MemoryOptions

    @Flag(help: "Print JSON instead of the text: one object, or one line for each completion.")
    var json = false

    func validate() throws {
        if overwrite, output == nil { throw ValidationError("--overwrite is for --output; give --output too") }
        guard (prompt == nil) != (prompts == nil) else {
            throw ValidationError(prompt == nil ? "give --prompt or --prompts" : "give --prompt or --prompts, not both")
        }
    }

    func run() async throws {
        let sources = try prompts.map { try PromptFile(path: $0, column: promptColumn, format: format).prompts }
        try output.map { try LineFile.check($0, overwrites: overwrite, sources: [self.prompts].compactMap(\.self)) }
        let (model, adapter) = try await modelOptions.load()
        let engine = GenerationEngine(model: model, adapter: adapter, memory: memory.budget)
        let prompts = sources ?? [SourcedPrompt(text: prompt, place: "--prompt")]
        format.warn(of: prompts, model.tokenizer)
        if let prompt, n == 1, output == nil {
            let tokens = try format.tokens(of: prompt, for: model.tokenizer)
            let generation = try generate(tokens, with: engine, model.tokenizer)
            if json { Terminal.printLine(try JSONLine.encode(generation)) }
            return
        }
        let batch = try BatchGeneration(prompts: prompts, completions: n, format: format, model: model)
        let printsJSON = json || output != nil || self.prompts != nil
        let file = try output.map { try LineFile(path: $0, overwrites: overwrite) }
        try batch.run(engine, sampling.parameters, printsJSON: printsJSON, to: file)
    }

    private func generate(
        _ prompt: [Int32], with engine: GenerationEngine, _ tokenizer: Tokenizer
    ) throws -> GenerationResult {
        var decoder = StreamingDecoder(tokenizer: tokenizer)
        let clock = ContinuousClock()
        var firstToken: ContinuousClock.Instant?
        let request = GenerationRequest(prompt: prompt, completions: 1, firstSample: 0)
        let signals = StopSignals { _ in }
        let completions = try failing(as: .runFailed) {
            try engine.generate([request], sampling: sampling.parameters) { heard in
                if firstToken == nil { firstToken = clock.now }
                if !json { Terminal.stream(decoder.append(heard.token)) }
                return signals.received == nil
            }
        }
        let elapsed = firstToken.map { ($0.duration(to: clock.now)).seconds } ?? 0
        if !json { Terminal.stream(decoder.finish() + "\n") }
        let completion = completions[0][0]
        if let request = signals.received {
            throw CommandFailure(
                request.status, "stopped by \(request.name) after \(completion.tokens.count) tokens")
        }
        let decoded = Double(completion.tokens.count - 1)
        return GenerationResult(
            text: tokenizer.decode(completion.tokens), tokenIDs: completion.tokens, promptTokenIDs: prompt,
            finishReason: completion.isTruncated ? "length" : "stop",
            tokensPerSecond: elapsed > 0 ? decoded / elapsed : 0)
    }
}

/// What `apus generate --json` prints.
struct GenerationResult: Encodable {
    var text: String
    var tokenIDs: [Int32]
    var promptTokenIDs: [Int32]
    var finishReason: String
    /// Tokens after the first, by the time since the first: the prompt's share is not in it.
    var tokensPerSecond: Double

    enum CodingKeys: String, CodingKey {
        case text
        case tokenIDs = "token_ids"
        case promptTokenIDs = "prompt_token_ids"
        case finishReason = "finish_reason"
        case tokensPerSecond = "tokens_per_second"
    }
}
