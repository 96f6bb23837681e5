import Apus
import ArgumentParser
import Foundation

/// What is evaluated, and on what: a training configuration with options over it.
struct EvalSubject: ParsableArguments {
    @Argument(help: "A training configuration to take model, data, columns and system prompt from.")
    var config: String?

    @Option(help: ArgumentHelp(ModelOptions.modelHelp))
    var model: String?

    @Option(help: "A PEFT adapter folder: the model is measured without it and with it.")
    var adapter: String?

    @Option(help: ArgumentHelp(ModelOptions.precisionHelp))
    var precision: WeightPrecision?

    @OptionGroup var device: DeviceOptions

    @Flag(name: .customLong("no-cache"), help: ArgumentHelp(ModelOptions.noCacheHelp))
    var noCache = false

    @Option(help: "A .jsonl or .json file, or arithmetic for held-out problems of the built-in kind.")
    var dataset: String?

    @Option(
        parsing: .unconditional, help: "Ask this many problems, the first ones.",
        transform: NumericOption.integer(like: "dataset_size"))
    var limit: Int?

    @Option(help: "The column with the question.")
    var promptColumn: String?

    @Option(help: "The column with the reference answer.")
    var answerColumn: String?

    @Option(help: "none, or after_hashes for the text after the last ####, as GSM8K marks its answers.")
    var answerExtraction: String?

    @Option(help: "A system message before every question.")
    var systemPrompt: String?

    /// The file's settings with the options over them.
    ///
    /// - Throws: `CommandFailure` with status 2.
    func runConfiguration() throws -> RunConfiguration {
        let options: [(name: String, value: String?)] = [
            ("model_name_or_path", model), ("adapter", adapter), ("device", device.device?.description),
            ("threads", device.threads.map(String.init)), ("weight_cache", noCache ? "false" : nil),
            ("eval_dataset_name", dataset), ("prompt_column", promptColumn), ("answer_column", answerColumn),
            ("answer_extraction", answerExtraction), ("system_prompt", systemPrompt),
        ]
        let given = options.compactMap { option in
            option.value.map {
                WrittenSetting(name: option.name, value: .scalar($0, isPlain: false), place: .commandLine)
            }
        }
        return try failing(as: .badInput) {
            try RunConfiguration(
                layers: [config.map(ConfigurationFile.read) ?? [], given],
                folder: config.map { ($0 as NSString).deletingLastPathComponent })
        }
    }

    /// The problems to ask.
    func samples(of configuration: RunConfiguration, _ rows: MadeRows?) throws -> [Sample] {
        let samples = try configuration.makeDatasetToEvaluate(count: limit, rows).samples
        if let index = samples.firstIndex(where: { $0.columns["answer"]?.answerText == nil }) {
            throw CommandFailure(
                .badInput,
                "problem \(index + 1) of \(dataName(of: configuration)): wanted column 'answer' with the reference answer as "
                    + "text or a number, found none; name its column with --answer-column")
        }
        return Array(samples.prefix(limit ?? samples.count))
    }

    /// What the data are called.
    func dataName(of configuration: RunConfiguration) -> String {
        configuration.settings.evaluationDataset ?? configuration.settings.dataset
    }
}
