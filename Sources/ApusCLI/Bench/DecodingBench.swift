import Apus

/// Prompt processing and batched decoding, each on its own: the same token counts that llama.cpp is measured with.
struct DecodingBench {
    let model: LanguageModel

    /// Tokens of the prompt whose processing is timed; models with a shorter context get what they can hold.
    private static let prefillLength = 512
    /// Tokens of each prompt that decoding starts from.
    private static let promptLength = 112

    /// The best of some runs over one prompt, after a short one that warms up.
    func prefill(repetitions: Int) throws -> BenchResult {
        let engine = GenerationEngine(model: model, adapter: nil)
        _ = try seconds(engine, prompts: [prompt(64)], tokens: 1)
        let length = min(Self.prefillLength, model.configuration.contextLength - 1)
        var best = 0.0
        for _ in 0..<repetitions {
            let elapsed = try seconds(engine, prompts: [prompt(length)], tokens: 1).first
            best = max(best, Double(length) / elapsed)
        }
        var result = BenchResult()
        result.batch = 1
        result.prefillTokensPerSecond = best
        return result
    }

    /// The best of some runs; the clock starts when every sequence has its first token.
    ///
    /// - Throws: `CommandFailure` when the model's context cannot hold prompt and tokens: fewer would be decoded than counted.
    func decode(batch: Int, tokens: Int, repetitions: Int) throws -> BenchResult {
        let room = model.configuration.contextLength - Self.promptLength
        guard tokens <= room else {
            throw CommandFailure(
                .badInput, "--tokens: wanted at most \(max(room, 0)), what the model's context leaves, found \(tokens)")
        }
        let engine = GenerationEngine(model: model, adapter: nil)
        // Separate requests: no sequence shares the pages of another, as in the programs we compare with.
        let prompts = Array(repeating: prompt(Self.promptLength), count: batch)
        var best = 0.0
        for _ in 0..<repetitions {
            let elapsed = try seconds(engine, prompts: prompts, tokens: tokens).afterFirst
            best = max(best, Double(batch * (tokens - 1)) / elapsed)
        }
        var result = BenchResult()
        result.batch = batch
        result.decodeTokensPerSecond = best
        return result
    }

    /// Seconds until every sequence had its first token, and from then to the end.
    private func seconds(
        _ engine: GenerationEngine, prompts: [[Int32]], tokens: Int
    ) throws -> (first: Double, afterFirst: Double) {
        let clock = ContinuousClock()
        let begin = clock.now
        var firstAt = begin
        var started: Set<Int> = []
        let requests = prompts.enumerated().map { index, prompt in
            GenerationRequest(prompt: prompt, completions: 1, firstSample: index)
        }
        let sampling = SamplingParameters(
            temperature: 1, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, maxNewTokens: tokens,
            minNewTokens: tokens, seed: 1)
        _ = try engine.generate(requests, sampling: sampling, step: 0) { request, _, _ in
            if started.count < prompts.count, started.insert(request).inserted { firstAt = clock.now }
            return true
        }
        return (begin.duration(to: firstAt).seconds, firstAt.duration(to: clock.now).seconds)
    }

    /// Token ids that every vocabulary of some size has.
    private func prompt(_ count: Int) -> [Int32] {
        let limit = min(2000, model.configuration.vocabularySize - 1)
        return (0..<count).map { Int32(($0 * 37 + 11) % max(1, limit - 100) + min(100, limit - 1)) }
    }
}
