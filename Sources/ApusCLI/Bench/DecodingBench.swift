import Apus

/// Prompt processing and batched decoding, each on its own: the same token counts that llama.cpp is measured with.
struct DecodingBench {
    let model: LanguageModel
    /// The processor that the model computes on; nil for a card, whose peaks are not measured.
    let processor: CPUBackend?

    /// Tokens of the prompt whose processing is timed; models with a shorter context get what they can hold.
    private static let prefillLength = 512
    /// Tokens of each prompt that decoding starts from.
    private static let promptLength = 112
    /// Tokens of each sequence of the run that warms up.
    private static let warmUpTokens = 8

    /// The same prompt several times, after once that is not counted.
    func prefill(runs: Int) throws -> BenchResult {
        let engine = GenerationEngine(model: model, adapter: nil)
        let length = min(Self.prefillLength, model.configuration.contextLength - 1)
        let prompts = [FixedTokens.prompt(length, for: model)]
        let seconds = try (0...runs).map { _ in try time(engine, prompts: prompts, tokens: 1).first }.dropFirst()
        var result = BenchResult()
        result.batch = 1
        let rate = result.noting(Spread(rates: seconds.map { Double(length) / $0 }))
        result.prefillTokensPerSecond = rate
        result.arithmetic = share(
            operations: model.configuration.forwardOperations(positions: 0..<length, scored: 1),
            seconds: Double(length) / rate)
        return result
    }

    /// Several runs after a short one that is not counted; the clock starts when every sequence has its first token.
    ///
    /// - Throws: `CommandFailure` when the model's context cannot hold prompt and tokens: fewer would be decoded than
    ///   counted.
    func decode(batch: Int, tokens: Int, runs: Int) throws -> BenchResult {
        let room = model.configuration.contextLength - Self.promptLength
        guard tokens <= room else {
            throw CommandFailure(
                .badInput, "--tokens: wanted at most \(max(room, 0)), what the model's context leaves, found \(tokens)")
        }
        let engine = GenerationEngine(model: model, adapter: nil)
        // Separate requests: no sequence shares the pages of another, as in the programs we compare with.
        let prompts = Array(repeating: FixedTokens.prompt(Self.promptLength, for: model), count: batch)
        _ = try time(engine, prompts: prompts, tokens: min(tokens, Self.warmUpTokens))
        let seconds = try (0..<runs).map { _ in try time(engine, prompts: prompts, tokens: tokens).afterFirst }
        let decoded = tokens - 1
        var result = BenchResult()
        result.batch = batch
        let rate = result.noting(Spread(rates: seconds.map { Double(batch * decoded) / $0 }))
        result.decodeTokensPerSecond = rate
        let positions = Self.promptLength..<Self.promptLength + decoded
        result.arithmetic = share(
            operations: Double(batch) * model.configuration.forwardOperations(positions: positions, scored: decoded),
            seconds: Double(batch * decoded) / rate)
        return result
    }

    private func share(operations: Double, seconds: Double) -> ArithmeticShare? {
        processor.map { ArithmeticShare(operations: operations, seconds: seconds, on: $0) }
    }

    /// Seconds until every sequence had its first token, and from then to the end.
    private func time(
        _ engine: GenerationEngine, prompts: [[Int32]], tokens: Int
    ) throws -> (first: Double, afterFirst: Double) {
        let clock = ContinuousClock()
        let begin = clock.now
        var firstAt = begin
        var started: Set<Int> = []
        let requests = prompts.enumerated().map { index, prompt in
            GenerationRequest(prompt: prompt, completions: 1, firstSample: index)
        }
        _ = try engine.generate(requests, sampling: FixedTokens.sampling(tokens), step: 0) { heard in
            if started.count < prompts.count, started.insert(heard.request).inserted { firstAt = clock.now }
            return true
        }
        return (begin.duration(to: firstAt).seconds, firstAt.duration(to: clock.now).seconds)
    }
}
