import Apus
import ArgumentParser

/// `apus data`: what a data set holds, and what the model will see of it.
struct DataCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "data",
        abstract: "Show a data set: its columns, and some rows as the model will see them.",
        discussion: """
            Takes a file, a folder, a pattern, a name on the hub, or a training configuration whose data are meant, and any \
            key of `apus train` after it. With a model (--model) prompts are shown in its tokens, with their lengths and how \
            many are longer than max_prompt_length.

              apus data train.parquet
              apus data openai/gsm8k --dataset_config main --answer_extraction after_hashes
              apus data Recipes/arithmetic.yaml --model models/model.gguf --rows 5
            """)

    @Option(help: "How many rows are shown.", transform: NumericOption.rows)
    var rows = 3

    @Flag(help: "Print one JSON object.")
    var json = false

    @Argument(parsing: .allUnrecognized, help: "The data or a configuration file, and --key value for any key.")
    var arguments: [String] = []

    func run() async throws {
        let (settings, limit) = try await settings()
        let (summary, dataset) = try failing(as: .badInput) { try read(settings) }
        let lengths: PromptLengths?
        var report = DataReport(name: settings.dataName, summary: summary, dataset: dataset)
        if settings.model != Self.noModel {
            let tokenizer = try failing(as: .badInput) { try LanguageModel.tokenizer(path: settings.modelPath) }
            lengths = try failing(as: .badInput) { try PromptLengths(dataset, tokenizer, limit: limit) }
            report.tokens = try failing(as: .badInput) {
                try dataset.samples.prefix(rows).map { TokenListing(try tokenizer.tokens(of: $0), tokenizer) }
            }
        } else {
            lengths = nil
        }
        report.lengths = lengths
        report.rows = rows
        if json { return Terminal.printLine(try JSONLine.encode(report.json)) }
        dataset.notices.forEach(Terminal.complain)
        for line in report.lines { Terminal.printLine(line) }
    }

    /// What a name of no model is: data can be looked at without one.
    private static let noModel = "-"

    /// The settings that the arguments and the file make, with the data found, and the longest prompt in tokens.
    private func settings() async throws -> (RunSettings, limit: Int?) {
        let configuration = try failing(as: .badInput) {
            let overrides = try OverrideArguments(Self.settings(arguments))
            let file = try overrides.configurationPath.map(ConfigurationFile.read) ?? []
            let noModel = WrittenSetting(
                name: "model_name_or_path", value: .scalar(Self.noModel, isPlain: true), place: .commandLine)
            let names = (file + overrides.settings).map { SettingTable.canonicalSpelling($0.name) }
            let hasModel = names.contains { ["model_name_or_path", "model_name", "model"].contains($0) }
            return try RunConfiguration(layers: [file, overrides.settings + (hasModel ? [] : [noModel])])
        }
        configuration.notices.forEach(Terminal.complain)
        return (
            try await configuration.located(evaluates: false, try .standard).settings,
            configuration.trainer.maxPromptLength
        )
    }

    /// A first argument that is no YAML file is the data's.
    static func settings(_ arguments: [String]) -> [String] {
        guard let first = arguments.first, !first.hasPrefix("-"), ![".yaml", ".yml"].contains(where: first.hasSuffix)
        else { return arguments }
        return ["--dataset_name", first] + arguments.dropFirst()
    }

    private func read(_ settings: RunSettings) throws -> (TableSummary, Dataset) {
        guard settings.hasDataset else {
            let dataset = Dataset.arithmetic(
                count: settings.datasetSize, seed: 42, systemPrompt: settings.systemPrompt)
            let rows = dataset.samples.map { JSONValue.object($0.columns) }
            return (try TableSummary(RowSource(rows: rows, name: settings.dataName)), dataset)
        }
        let source = settings.trainingRows
        return (try TableSummary(source), try Dataset(source, mapping: settings.columnMapping()))
    }
}
