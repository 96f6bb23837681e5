import Apus
import ArgumentParser
import Foundation

/// `apus eval`: the share of right answers, of a model alone or before and after an adapter.
struct EvalCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "eval",
        abstract: "Measure the share of right answers, before and after an adapter.",
        discussion: """
            Samples completions of problems with reference answers and grades them twice. Strict: the text between \
            <answer> and </answer> is the reference to the letter. Lenient: the last number there, or of the whole \
            text, equals the reference, however it is written. Intervals are 95 % (Wilson's); completions of one \
            problem do not count as independent.

            CONFIG.yaml is a training configuration: model, data, columns and system prompt are taken from it, and \
            options win. Of the built-in problems (--dataset arithmetic, the default) those are asked that training \
            never shows.

              apus eval Recipes/arithmetic.yaml --model M --adapter outputs/checkpoint-40
              apus eval --model M --dataset test.jsonl --answer-extraction after_hashes --temperature 1 --n 4 --json

            Progress goes to standard error. --json prints one object: docs/commands.md lists its fields.
            """)

    @OptionGroup var subject: EvalSubject
    @OptionGroup var sampling: EvalSampling

    @Option(help: "Write every answer to this file, one problem a line, as JSON.")
    var output: String?

    @Flag(help: "Replace what --output names.")
    var overwrite = false

    @Flag(help: "Measure the model with --adapter alone, which takes half of the time.")
    var adapterOnly = false

    @Flag(help: "Print one JSON object instead of the table.")
    var json = false

    func validate() throws {
        if overwrite, output == nil { throw ValidationError("--overwrite is for --output; give --output too") }
    }

    func run() throws {
        let configuration = try subject.runConfiguration()
        let settings = configuration.settings
        let samples = try failing(as: .badInput) { try subject.samples(of: configuration) }
        let sources = [configuration.settings.evaluationDataset, configuration.settings.dataset].compactMap { $0 }
        try output.map { try LineFile.check($0, overwrites: overwrite, sources: sources) }
        let model = try ModelLoading.model(
            path: settings.model, precision: subject.precision ?? settings.precision, threads: settings.threads,
            usesCache: settings.usesWeightCache)
        if adapterOnly, settings.adapter == nil {
            throw CommandFailure(.badInput, "--adapter-only: there is no adapter; give --adapter too")
        }
        let repeated = samples.enumerated().lazy.compactMap {
            model.tokenizer.repeatedBeginning(of: $1.prompt, named: "problem \($0 + 1)")
        }
        if let first = repeated.first { Terminal.complain("\(first)") }
        let adapter = try settings.adapter.map { path in
            try failing(as: .badInput) { try LoRAAdapter(directory: URL(filePath: path), for: model) }
        }
        let parameters = sampling.parameters(
            limit: min(configuration.trainer.maxCompletionLength, model.configuration.contextLength / 2))
        func evaluate(_ adapter: LoRAAdapter?, _ label: String) throws -> ModelEvaluation {
            let progress = CountedProgress(label, of: "answers")
            defer { progress.finish() }
            return try failing(as: .runFailed) {
                try ModelEvaluation(
                    of: model, adapter: adapter, on: samples, completions: sampling.n, sampling: parameters,
                    memory: MemoryBudget(utilization: configuration.trainer.memoryUtilization),
                    progress: progress.show)
            }
        }
        let before = adapterOnly ? nil : try evaluate(nil, adapter == nil ? "asking" : "before")
        let after = try adapter.map { try evaluate($0, "after") }
        if let output { try EvalAnswers.write(samples, before: before, after: after, to: output) }
        let report = EvalReport(
            model: settings.model, adapter: settings.adapter, data: subject.dataName(of: configuration),
            temperature: Double(parameters.temperature), maxNewTokens: parameters.maxNewTokens,
            problems: samples.count, completionsEach: sampling.n, before: before?.grades, after: after?.grades)
        Terminal.printLine(json ? try JSONLine.encode(report.object) : report.text)
    }
}

/// What is evaluated, and on what: a training configuration with options over it.
struct EvalSubject: ParsableArguments {
    @Argument(help: "A training configuration to take model, data, columns and system prompt from.")
    var config: String?

    @Option(help: "A model folder in Hugging Face's layout, or a GGUF file.")
    var model: String?

    @Option(help: "A PEFT adapter folder: the model is measured without it and with it.")
    var adapter: String?

    @Option(help: ArgumentHelp(ModelOptions.precisionHelp))
    var precision: WeightPrecision?

    @Option(help: "Threads to compute with (default: one a core). The numbers do not depend on it.")
    var threads: Int?

    @Flag(name: .customLong("no-cache"), help: ArgumentHelp(ModelOptions.noCacheHelp))
    var noCache = false

    @Option(help: "A .jsonl or .json file, or arithmetic for held-out problems of the built-in kind.")
    var dataset: String?

    @Option(help: "Ask only this many problems, the first ones.")
    var limit: Int?

    @Option(help: "The column with the question.")
    var promptColumn: String?

    @Option(help: "The column with the reference answer.")
    var answerColumn: String?

    @Option(help: "none, or after_hashes for the text after the last ####, as GSM8K marks its answers.")
    var answerExtraction: String?

    @Option(help: "A system message before every question.")
    var systemPrompt: String?

    func validate() throws {
        if let limit, limit < 1 { throw ValidationError("--limit must be at least 1, found \(limit)") }
    }

    /// The file's settings with the options over them.
    ///
    /// - Throws: `CommandFailure` with status 2.
    func runConfiguration() throws -> RunConfiguration {
        let options: [(name: String, value: String?)] = [
            ("model_name_or_path", model), ("adapter", adapter), ("threads", threads.map(String.init)),
            ("weight_cache", noCache ? "false" : nil),
            ("eval_dataset_name", dataset), ("prompt_column", promptColumn), ("answer_column", answerColumn),
            ("answer_extraction", answerExtraction), ("system_prompt", systemPrompt),
        ]
        let given = options.compactMap { option in
            option.value.map {
                WrittenSetting(name: option.name, value: .scalar($0, isPlain: false), place: .commandLine)
            }
        }
        return try failing(as: .badInput) {
            try RunConfiguration(layers: [config.map(ConfigurationFile.read) ?? [], given])
        }
    }

    /// The problems to ask.
    func samples(of configuration: RunConfiguration) throws -> [Sample] {
        let samples = try configuration.makeDatasetToEvaluate().samples
        return Array(samples.prefix(limit ?? samples.count))
    }

    /// What the data are called.
    func dataName(of configuration: RunConfiguration) -> String {
        configuration.settings.evaluationDataset ?? configuration.settings.dataset
    }
}

/// How answers are drawn.
struct EvalSampling: ParsableArguments {
    @Option(help: "Divides the logits; 0 always takes the likeliest token.")
    var temperature: Float = 0

    @Option(help: "Completions of each problem.")
    var n = 1

    @Option(help: "Sample among the likeliest tokens that together have this probability; 1 is off.")
    var topP: Float = 1

    @Option(help: "Stop after this many tokens (default: max_completion_length, or half of the context).")
    var maxNewTokens: Int?

    @Option(help: "The seed of the random numbers.")
    var seed: UInt64 = 0

    func validate() throws {
        let rules: [(holds: Bool, rule: String)] = [
            (temperature >= 0 && temperature.isFinite, "--temperature must be 0 or above, found \(temperature)"),
            (n >= 1, "--n must be at least 1, found \(n)"),
            (n == 1 || temperature > 0, "--n \(n) needs --temperature above 0: greedy answers are all alike"),
            (topP > 0 && topP <= 1, "--top-p must be above 0 and at most 1, found \(topP)"),
            (maxNewTokens ?? 1 >= 1, "--max-new-tokens must be at least 1, found \(maxNewTokens ?? 1)"),
        ]
        if let broken = rules.first(where: { !$0.holds }) { throw ValidationError(broken.rule) }
    }

    func parameters(limit: Int) -> SamplingParameters {
        SamplingParameters(temperature: temperature, topP: topP, maxNewTokens: maxNewTokens ?? limit, seed: seed)
    }
}
