import Apus
import ArgumentParser
import Foundation

/// `apus eval`: the share of right answers, of a model alone or before and after an adapter.
struct EvalCommand: AsyncParsableCommand {
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

    func run() async throws {
        let configuration = try await subject.runConfiguration().located(evaluates: true, try .standard)
        let settings = configuration.settings
        let rows = try await MadeRows(settings)
        let samples = try failing(as: .badInput) { try subject.samples(of: configuration, rows) }
        try NumericOption.check(completions: sampling.n, ofEach: samples.count)
        let sources = [configuration.settings.evaluationDataset, configuration.settings.dataset].compactMap { $0 }
        try output.map { try LineFile.check($0, overwrites: overwrite, sources: sources) }
        let model = try ModelLoading.model(
            path: settings.modelPath, precision: subject.precision ?? settings.precision,
            on: settings.openDevice().backend, usesCache: settings.usesWeightCache)
        if adapterOnly, settings.adapter == nil {
            throw CommandFailure(.badInput, "--adapter-only: there is no adapter; give --adapter too")
        }
        var remarks = PromptRemarks()
        for (index, sample) in samples.enumerated() {
            let found = model.tokenizer.remarks(on: sample, named: "problem \(index + 1)")
            for remark in remarks.new(among: found) { Terminal.complain("\(remark)") }
        }
        let adapter = try settings.adapterPath.map { path in
            try failing(as: .badInput) { try ModelLoading.adapter(path: path, for: model) }
        }
        let parameters = sampling.parameters(
            limit: min(configuration.trainer.maxCompletionLength, model.configuration.contextLength / 2),
            configuration: configuration.trainer)
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
            temperature: sampling.temperature, maxNewTokens: parameters.maxNewTokens,
            problems: samples.count, completionsEach: sampling.n, before: before?.grades, after: after?.grades)
        Terminal.printLine(json ? try JSONLine.encode(report.object) : report.text)
    }
}
