import Apus
import ArgumentParser

/// How the next token is chosen.
struct SamplingOptions: ParsableArguments {
    @Option(
        parsing: .unconditional, help: "Stop after this many tokens (default: 200).",
        transform: NumericOption.integer(like: "max_completion_length"))
    var maxNewTokens = 200

    @Option(
        parsing: .unconditional, help: "Divides the logits; 0 always takes the likeliest token (default: 1).",
        transform: NumericOption.temperature)
    var temperature = 1.0

    @Option(
        parsing: .unconditional, help: "Sample among the k likeliest tokens; 0 is off (default: 0).",
        transform: NumericOption.integer(like: "top_k"))
    var topK = 0

    @Option(
        parsing: .unconditional, help: NumericOption.topPHelp, transform: NumericOption.number(like: "top_p"))
    var topP = 1.0

    @Option(
        parsing: .unconditional,
        help: "Leave out tokens less likely than this share of the likeliest; 0 is off (default: 0).",
        transform: NumericOption.number(like: "min_p"))
    var minP = 0.0

    @Option(
        parsing: .unconditional, help: "Makes tokens that already occurred less likely; 1 is off (default: 1).",
        transform: NumericOption.number(like: "repetition_penalty"))
    var repetitionPenalty = 1.0

    @Option(
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            "End an answer where it has this text, which stays in it; may be given several times.", valueName: "text"))
    var stop: [String] = []

    @Option(
        parsing: .unconditional, help: NumericOption.seedHelp, transform: NumericOption.integer(like: "seed"))
    var seed = 0

    var parameters: SamplingParameters {
        SamplingParameters(
            temperature: Float(temperature), topK: topK, topP: Float(topP), minP: Float(minP),
            repetitionPenalty: Float(repetitionPenalty), maxNewTokens: maxNewTokens, minNewTokens: 0,
            stop: stop, seed: UInt64(seed))
    }
}
