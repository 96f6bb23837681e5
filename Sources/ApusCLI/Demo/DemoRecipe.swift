import Apus
import Foundation

/// The demo's settings: `Recipes/arithmetic-demo.yaml`, which is compiled into the program, with what an invocation changes.
struct DemoRecipe {
    /// Where the demo's files go.
    var outputDirectory = "outputs/demo"
    var seed = 0
    /// Optimizer steps; nil for as many as the recipe says.
    var steps: Int?
    /// The processor unless somebody names a card: a model so small keeps none busy.
    var device = DeviceChoice.cpu
    /// nil for one a core.
    var threads: Int?
    /// nil for the recipe's.
    var precision: WeightPrecision?

    /// The folder that the model is written to.
    var modelPath: String { outputDirectory + "/model" }

    /// The recipe's settings for this invocation.
    ///
    /// - Throws: `SettingError` for values that cannot be.
    func configuration() throws -> RunConfiguration {
        var changes = [
            ("model_name_or_path", modelPath), ("output_dir", outputDirectory), ("seed", String(seed)),
        ]
        if let steps { changes += [("max_steps", String(steps)), ("save_steps", String(steps))] }
        changes.append(("device", device.description))
        if let threads { changes.append(("threads", String(threads))) }
        if let precision { changes.append(("load_in_4bit", String(precision == .nf4))) }
        let layer = changes.map { name, value in
            WrittenSetting(name: name, value: .scalar(value, isPlain: true), place: .commandLine)
        }
        return try RunConfiguration(layers: [ConfigurationFile.parse(DemoFiles.recipe, name: "demo"), layer])
    }

    /// Writes the model and makes a trainer for it.
    ///
    /// - Throws: `CommandFailure` with status 2 for an output folder or settings that cannot be.
    func makeTrainer() throws -> GRPOTrainer {
        try failing(as: .badInput) {
            let configuration = try configuration()
            try DemoFiles.write(to: URL(filePath: outputDirectory, directoryHint: .isDirectory))
            let settings = configuration.settings
            let (training, evaluation) = try configuration.makeDatasets()
            let model = try LanguageModel(
                path: settings.model, precision: settings.precision, backend: settings.openDevice().backend)
            let adapter = try LoRAAdapter(settings.loraConfiguration, for: model, seed: UInt64(seed))
            return try GRPOTrainer(
                model: model, adapter: adapter, dataset: training, evaluationDataset: evaluation,
                rewards: RewardSuite(settings.rewardFunctions).functions, configuration: configuration.trainer)
        }
    }
}
