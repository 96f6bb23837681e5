import Apus

/// Many completions at once through the engine's queue; results come out in the order of the prompts.
struct BatchGeneration {
    private let prompts: [SourcedPrompt]
    private let requests: [GenerationRequest]
    private let completions: Int
    private let model: LanguageModel

    /// Turns prompts into requests, each checked before anything is sampled.
    ///
    /// - Throws: `CommandFailure` with status 2 that names the prompt's place.
    init(prompts: [SourcedPrompt], completions: Int, format: PromptFormat, model: LanguageModel) throws {
        try NumericOption.check(completions: completions, ofEach: prompts.count)
        let context = model.configuration.contextLength
        requests = try prompts.enumerated().map { index, source in
            let tokens = try format.tokens(of: source, for: model.tokenizer)
            guard tokens.count < context else {
                throw CommandFailure(
                    .badInput,
                    "\(source.place): wanted fewer than the model's \(context) tokens, found \(tokens.count); shorten it"
                )
            }
            // Sample numbers go on through the file, so that equal prompts do not get equal answers.
            return GenerationRequest(prompt: tokens, completions: completions, firstSample: index * completions)
        }
        self.prompts = prompts
        self.completions = completions
        self.model = model
    }

    /// Samples everything and writes each completion once all before it are finished; after a signal, all that are.
    ///
    /// - Throws: `CommandFailure`: 130 or 143 after a signal, 3 when sampling or writing failed.
    func run(
        _ engine: GenerationEngine, _ sampling: SamplingParameters, printsJSON: Bool, to file: LineFile?
    ) throws {
        let signals = StopSignals { _ in }
        var sink = OrderedCompletions(requests: requests.count, completions: completions)
        var progress = BatchProgress(total: requests.count * completions)
        var failure: (any Error)?
        let results = try failing(as: .runFailed) {
            try engine.generate(requests, sampling: sampling) { heard in
                progress.count(finished: sink.append(heard))
                do {
                    for ready in sink.takeReady() { try write(ready, printsJSON: printsJSON, to: file) }
                } catch {
                    failure = error
                }
                return failure == nil && signals.received == nil
            }
        }
        Terminal.clearTransientLine()
        if let failure { throw failure }
        if let request = signals.received {
            for finished in sink.takeFinished() { try write(finished, printsJSON: printsJSON, to: file) }
            try file?.finish()
            throw CommandFailure(
                request.status,
                "stopped by \(request.name); \(sink.written) of \(results.count * completions) are written")
        }
        for ready in sink.rest(of: results) { try write(ready, printsJSON: printsJSON, to: file) }
        try file?.finish()
        progress.report()
    }

    private func write(_ ready: OrderedCompletions.Ready, printsJSON: Bool, to file: LineFile?) throws {
        let text = model.tokenizer.decode(ready.tokens)
        guard printsJSON else {
            Terminal.printLine("# \(ready.sample + 1) of \(completions)")
            return Terminal.printLine(text)
        }
        let line = try JSONLine.encode(
            BatchResult(
                promptIndex: ready.request, sample: ready.sample, prompt: prompts[ready.request].prompt.shownText,
                text: text, tokenIDs: ready.tokens, finishReason: ready.isTruncated ? "length" : "stop"))
        if let file { try file.append(line) } else { Terminal.printLine(line) }
    }
}

/// One line of `apus generate --n` or `--prompts`.
private struct BatchResult: Encodable {
    var promptIndex: Int
    var sample: Int
    var prompt: String
    var text: String
    var tokenIDs: [Int32]
    var finishReason: String

    enum CodingKeys: String, CodingKey {
        case promptIndex = "prompt_index"
        case sample, prompt, text
        case tokenIDs = "token_ids"
        case finishReason = "finish_reason"
    }
}

/// How far a batch is: shown on a terminal only.
private struct BatchProgress {
    private let total: Int
    private let clock = ContinuousClock()
    private let start = ContinuousClock.now
    private var tokens = 0
    private var finished = 0
    private var lastShown = ContinuousClock.now

    init(total: Int) { self.total = total }

    mutating func count(finished isFinished: Bool) {
        tokens += 1
        if isFinished { finished += 1 }
        guard Terminal.showsProgress, lastShown.duration(to: clock.now).seconds > 0.2 else { return }
        lastShown = clock.now
        Terminal.showTransient("\(finished) of \(total) finished, \(rate)")
    }

    /// What was done, on standard error of a terminal.
    func report() {
        guard Terminal.showsProgress else { return }
        Terminal.remark("\(total) completions, \(rate)")
    }

    private var rate: String {
        let seconds = start.duration(to: clock.now).seconds
        return "\(tokens) tokens, \(fixed(Double(tokens) / max(seconds, 1e-9), 0)) tok/s"
    }
}
