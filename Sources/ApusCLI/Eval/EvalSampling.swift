import Apus
import ArgumentParser

/// How answers are drawn.
struct EvalSampling: ParsableArguments {
    @Option(
        parsing: .unconditional, help: "Divides the logits; 0 always takes the likeliest token (default: 0).",
        transform: NumericOption.temperature)
    var temperature = 0.0

    @Option(
        parsing: .unconditional, help: "Completions of each problem (default: 1).",
        transform: NumericOption.integer(like: "num_generations_eval"))
    var n = 1

    @Option(
        parsing: .unconditional, help: NumericOption.topPHelp, transform: NumericOption.number(like: "top_p"))
    var topP = 1.0

    @Option(
        parsing: .unconditional,
        help: "Stop after this many tokens (default: max_completion_length, or half of the context).",
        transform: NumericOption.integer(like: "max_completion_length"))
    var maxNewTokens: Int?

    @Option(
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            "End an answer where it has this text, which stays in it; may be given several times.", valueName: "text"))
    var stop: [String] = []

    @Option(
        parsing: .unconditional, help: NumericOption.seedHelp, transform: NumericOption.integer(like: "seed"))
    var seed = 0

    func validate() throws {
        if n > 1, temperature == 0 {
            throw ValidationError("--n \(n) needs --temperature above 0: greedy answers are all alike")
        }
    }

    /// - Parameter configuration: says how long answers may be and what ends them, where no option does.
    func parameters(limit: Int, configuration: GRPOConfiguration) -> SamplingParameters {
        SamplingParameters(
            temperature: Float(temperature), topP: Float(topP), maxNewTokens: maxNewTokens ?? limit,
            stop: stop.isEmpty ? configuration.stop : stop, seed: UInt64(seed))
    }
}
