import Apus

/// Prompts and completions whose lengths do not depend on a tokenizer or on what is sampled.
enum FixedTokens {
    /// Token ids that every vocabulary of some size has.
    static func prompt(_ count: Int, for model: LanguageModel) -> [Int32] {
        let limit = min(2000, model.configuration.vocabularySize - 1)
        return (0..<count).map { Int32(($0 * 37 + 11) % max(1, limit - 100) + min(100, limit - 1)) }
    }

    /// Exactly so many tokens, drawn from the whole distribution.
    static func sampling(_ tokens: Int) -> SamplingParameters {
        SamplingParameters(
            temperature: 1, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, maxNewTokens: tokens,
            minNewTokens: tokens, seed: 1)
    }
}
