import Apus
import ArgumentParser

/// `apus bench`: the speed of this machine on fixed pieces of work.
struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure training, prompt processing or decoding on a fixed piece of work.",
        discussion: """
            grpo     one prompt in chat format, a group of completions of exactly --tokens tokens each, one backward \
            pass and one AdamW step on LoRA of rank 32 over all seven projections
            prefill  prompt processing: the best of --steps runs over 512 tokens
            decode   --batch sequences of 112 prompt tokens, --tokens more tokens each

              apus bench grpo --model models/smollm2.gguf --json
            """)

    @Argument(help: "grpo, prefill or decode.")
    var kind: BenchKind

    @Option(help: "A model folder in Hugging Face's layout, or a GGUF file.")
    var model: String

    @Option(help: "Completions in the group, or sequences decoded at once.")
    var batch = 6

    @Option(help: "Tokens in each completion.")
    var tokens = 200

    @Option(help: "How weights are kept: nf4, bf16 or f32.")
    var precision = ModelOptions.defaultPrecision

    @Option(help: "Optimizer steps, or repetitions.")
    var steps = 3

    @Option(help: "Threads to compute with (default: one a core).")
    var threads: Int?

    @Flag(help: "Print one JSON object instead of text.")
    var json = false

    func validate() throws {
        let counts = [("--batch", batch), ("--tokens", tokens), ("--steps", steps), ("--threads", threads ?? 1)]
        for (name, count) in counts where count < 1 {
            throw ValidationError("\(name) must be at least 1, found \(count)")
        }
        if kind == .grpo, batch < 2 { throw ValidationError("--batch must be at least 2: advantages compare a group") }
        if kind == .decode, tokens < 2 { throw ValidationError("--tokens must be at least 2 to time decoding") }
    }

    func run() async throws {
        let model = try ModelLoading.model(path: model, precision: precision, threads: threads)
        var result: BenchResult
        do {
            switch kind {
            case .grpo: result = try await GRPOBench(model: model, group: batch, tokens: tokens, steps: steps).run()
            case .prefill: result = try DecodingBench(model: model).prefill(repetitions: steps)
            case .decode:
                result = try DecodingBench(model: model).decode(batch: batch, tokens: tokens, repetitions: steps)
            }
        } catch {
            throw CommandFailure(training: error)
        }
        result.format = precision.rawValue
        Terminal.printLine(json ? try JSONLine.encode(result) : result.description)
    }
}

/// The pieces of work that `apus bench` knows.
enum BenchKind: String, ExpressibleByArgument, CaseIterable {
    case grpo, prefill, decode
}
