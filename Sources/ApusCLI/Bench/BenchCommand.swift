import Apus
import ArgumentParser

/// `apus bench`: the speed of this machine on fixed pieces of work.
struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract:
            "Measure kernels, prompt processing, decoding, training, loading or tokenizing on a fixed piece of work.",
        discussion: """
            kernels  this machine's peaks, the share of them that products, head and attention reach, and the time of \
            a step by its parts beside the least that the peaks allow; no model
            prefill  prompt processing of 512 tokens
            decode   --batch sequences of 112 prompt tokens, --tokens more tokens each
            grpo     one prompt in chat format, a group of completions of exactly --tokens tokens each, one backward \
            pass and one AdamW step on LoRA of rank 32 over all seven projections
            load     from the model's file to the first token of a short prompt
            tokenize reading the tokenizer, and 4 MB of text of many scripts or --file to tokens, on one core

            Figures are medians of --steps runs.

              apus bench kernels
              apus bench grpo --model models/smollm2.gguf --json
            """)

    @Argument(help: "kernels, prefill, decode, grpo, load or tokenize.")
    var kind: BenchKind

    @Option(help: "A model folder in Hugging Face's layout, or a GGUF file; kernels needs none.")
    var model: String?

    @Option(
        parsing: .unconditional, help: "Completions in the group, or sequences decoded at once (default: 6).",
        transform: NumericOption.integer(like: "num_generations_eval"))
    var batch = 6

    @Option(
        parsing: .unconditional, help: "Tokens in each completion (default: 200).",
        transform: NumericOption.integer(like: "max_completion_length"))
    var tokens = 200

    @Option(help: "How weights are kept: nf4, int8, bf16 or f32.")
    var precision = ModelOptions.defaultPrecision

    @Option(
        parsing: .unconditional, help: "Timed runs: optimizer steps, loads, repetitions (default: 5; grpo 3).",
        transform: NumericOption.steps)
    var steps: Int?

    @OptionGroup var device: DeviceOptions

    @Flag(name: .customLong("no-cache"), help: ArgumentHelp(ModelOptions.noCacheHelp))
    var noCache = false

    @Option(
        name: .customLong("gradient-checkpointing"),
        help: "grpo: what a backward pass starts from, as in a configuration: true, false or unsloth.")
    var checkpointing = GradientCheckpointing.recompute

    @Option(help: "tokenize: a file of text instead of the one that is always the same.")
    var file: String?

    @Flag(help: "Print one JSON object instead of text.")
    var json = false

    private var runs: Int { steps ?? kind.defaultRuns }

    func validate() throws {
        if kind.needsModel, model == nil { throw ValidationError("bench \(kind.rawValue) needs --model") }
        if !kind.needsModel, model != nil {
            throw ValidationError("bench \(kind.rawValue) measures the machine alone; leave out --model")
        }
        if kind != .tokenize, file != nil { throw ValidationError("--file belongs to bench tokenize") }
        if kind == .grpo, batch < 2 { throw ValidationError("--batch must be at least 2: advantages compare a group") }
        if kind == .decode, tokens < 2 { throw ValidationError("--tokens must be at least 2 to time decoding") }
    }

    func run() async throws {
        do {
            if let model {
                try await measure(ModelLoading.path(of: model))
            } else {
                guard let processor = try device.open(.cpu).processor else {
                    throw CommandFailure(.badInput, "bench kernels measures the processor alone; leave out --device")
                }
                let report = try KernelBench(backend: processor, repetitions: runs).run()
                Terminal.printLine(json ? try JSONLine.encode(report) : report.description)
            }
        } catch {
            throw CommandFailure(training: error)
        }
    }

    private func measure(_ path: String) async throws {
        var result: BenchResult
        if kind == .tokenize {
            result = try TokenizeBench(path: path, file: file).run(runs: runs)
        } else if kind == .load {
            result = try LoadBench(
                path: path, precision: precision, backend: device.open().backend, usesCache: !noCache
            ).run(loads: runs)
        } else {
            let device = try device.open()
            let model = try ModelLoading.model(
                path: path, precision: precision, on: device.backend, usesCache: !noCache)
            result = try await measure(model, on: device)
            result.device = device.backend.name
        }
        if kind != .tokenize { result.format = precision.rawValue }
        Terminal.printLine(json ? try JSONLine.encode(result) : result.description)
    }

    private func measure(_ model: LanguageModel, on device: Device) async throws -> BenchResult {
        switch kind {
        case .prefill: try DecodingBench(model: model, processor: device.processor).prefill(runs: runs)
        case .decode:
            try DecodingBench(model: model, processor: device.processor)
                .decode(batch: batch, tokens: tokens, runs: runs)
        case .grpo:
            try await GRPOBench(
                model: model, group: batch, tokens: tokens, steps: runs, checkpointing: checkpointing
            ).run()
        case .load, .tokenize, .kernels: preconditionFailure("measured without a loaded model")
        }
    }
}
