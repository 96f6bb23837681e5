import Apus
import Foundation

/// All settings of a run, resolved and checked: what `apus train` does is a function of this and the files it names.
struct RunConfiguration: Equatable, Sendable {
    var settings = RunSettings()
    var trainer = GRPOConfiguration()
    /// What was accepted without effect or adjusted, one line each.
    var notices: [String] = []

    /// Resolves a configuration file (or none) and the arguments that override it.
    ///
    /// - Throws: `SettingError`, before anything is loaded or written.
    init(arguments: [String]) throws {
        let overrides = try OverrideArguments(arguments)
        let file = try overrides.configurationPath.map(ConfigurationFile.read) ?? []
        let folder = overrides.configurationPath.map { ($0 as NSString).deletingLastPathComponent }
        try self.init(layers: [file, overrides.settings], folder: folder)
    }

    /// Resolves layers of settings, the last one on top.
    ///
    /// - Parameter folder: where the configuration file lies: what it names is looked for there first.
    init(layers: [[WrittenSetting]], folder: String? = nil) throws {
        let resolution = try SettingResolution(layers: layers)
        notices = resolution.notices
        settings = try RunSettings(resolution.run)
        try settle(resolution.run, isFile: layers.first?.isEmpty == false)
        try check(resolution.run)
        try settings.checkData(resolution.run)
        try resolveRewards(in: folder, resolution.run["reward_funcs"]?.written)
        try settings.resolveDataFunctions(in: folder)
        do {
            trainer = try GRPOConfiguration(settings: resolution.trainer.mapValues(\.value))
        } catch {
            let place = resolution.trainer[error.key]?.written.prefix ?? ""
            throw SettingError(place + error.description)
        }
        guard settings.usesPEFT || trainer.beta == 0 else {
            throw SettingError(
                "beta: needs the model as it was, and use_peft: false holds one copy of the weights; set beta: 0")
        }
        try fitSequenceLength()
    }

    /// Keys that say that an adapter is meant, or that all weights are.
    private static let adapterKeys: Set = [
        "use_peft", "adapter", "load_in_4bit", "load_in_8bit", "lora_r", "lora_alpha", "lora_target_modules",
    ]

    /// - Parameter isFile: whether there is a configuration file, which may be one for a program that trains all weights.
    private mutating func settle(
        _ given: [String: SettingResolution.Assignment], isFile: Bool
    ) throws {
        let asksFor4Bit = given["load_in_4bit"]?.value == .bool(true)
        if let (key, problem) = settings.settleDevice() ?? settings.settleWeights(asksFor4Bit: asksFor4Bit) {
            throw given[key].map { SettingError($0.written, problem) } ?? SettingError("\(key): \(problem)")
        }
        if isFile, !settings.model.isEmpty, Self.adapterKeys.isDisjoint(with: given.keys) {
            notices.append(
                "use_peft: is not given; a LoRA adapter is trained, which wants about ten times the learning rate of TRL's "
                    + "default, all weights (use_peft: true says that it is meant)")
        }
    }

    /// Prompt and completion have to fit `max_seq_length` together; without `max_prompt_length` the rest is the prompt's.
    private mutating func fitSequenceLength() throws {
        guard let limit = settings.maxSequenceLength else { return }
        let completion = trainer.maxCompletionLength
        guard let prompt = trainer.maxPromptLength else {
            guard completion < limit else {
                throw SettingError(
                    "max_seq_length: \(limit) leaves no prompt beside max_completion_length \(completion)")
            }
            trainer.maxPromptLength = limit - completion
            notices.append("max_prompt_length: is \(limit - completion), what max_seq_length leaves for a prompt")
            return
        }
        guard prompt + completion <= limit else {
            throw SettingError(
                "max_seq_length: \(limit) is below max_prompt_length \(prompt) + max_completion_length \(completion)")
        }
    }

    private func check(_ given: [String: SettingResolution.Assignment]) throws {
        func complain(_ key: String, _ problem: String) -> SettingError {
            given[key].map { SettingError($0.written, problem) } ?? SettingError("\(key): \(problem)")
        }
        if settings.model.isEmpty {
            throw complain("model_name_or_path", "is missing; give a model folder or GGUF file (--model PATH)")
        }
        if let size = settings.evaluationSize {
            // Only a training file is split: elsewhere the size counts problems.
            let isShare = settings.evaluationDataset == nil && settings.dataset != RunSettings.builtInDataset
            guard size >= 1 || (isShare && size > 0) else {
                throw complain("eval_size", "must be at least 1\(isShare ? ", or a share above 0" : ""), found \(size)")
            }
        }
        do {
            try settings.loraConfiguration.validate()
        } catch {
            let key = String(error.description.prefix { $0 != ":" })
            throw SettingError((given[key]?.written.prefix ?? "") + error.description)
        }
    }
}
