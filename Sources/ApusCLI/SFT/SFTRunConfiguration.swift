import Apus
import Foundation

/// All settings of a supervised run, resolved and checked.
struct SFTRunConfiguration: Equatable, Sendable {
    /// Model, adapter, data and machine, as in `apus train`.
    var run = RunSettings()
    var settings = SFTSettings()
    var trainer = SFTConfiguration()
    /// What was accepted without effect or adjusted, one line each.
    var notices: [String] = []

    /// Resolves a configuration file (or none) and the arguments that override it.
    ///
    /// - Throws: `SettingError`, before anything is loaded or written.
    init(arguments: [String]) throws {
        let overrides = try OverrideArguments(arguments, index: SFTSettingTable.index)
        let file = try overrides.configurationPath.map(ConfigurationFile.read) ?? []
        let folder = overrides.configurationPath.map { ($0 as NSString).deletingLastPathComponent }
        try self.init(layers: [file, overrides.settings], folder: folder)
    }

    /// Resolves layers of settings, the last one on top.
    ///
    /// - Parameter folder: where the configuration file lies: what it names is looked for there first.
    init(layers: [[WrittenSetting]], folder: String? = nil) throws {
        let resolution = try SettingResolution(layers: layers, index: SFTSettingTable.index)
        notices = resolution.notices
        run = try RunSettings(resolution.run)
        settings = try SFTSettings(resolution.run)
        do {
            trainer = try SFTConfiguration(settings: resolution.trainer.mapValues(\.value))
        } catch {
            throw SettingError((resolution.trainer[error.key]?.written.prefix ?? "") + error.description)
        }
        // Elsewhere "nothing" is the default; here it lifts the limit, as in TRL.
        let lengths = layers.joined().filter {
            ["max_length", "max_seq_length"].contains(SettingTable.canonicalSpelling($0.name))
        }
        if let last = lengths.last, last.value.isNull { trainer.maxLength = nil }
        try check(resolution.run)
        try run.checkData(resolution.run)
        try run.resolveDataFunctions(in: folder)
    }

    private mutating func check(_ given: [String: SettingResolution.Assignment]) throws {
        func complain(_ key: String, _ problem: String) -> SettingError {
            given[key].map { SettingError($0.written, problem) } ?? SettingError("\(key): \(problem)")
        }
        if run.model.isEmpty {
            throw complain("model_name_or_path", "is missing; give a model folder or GGUF file (--model PATH)")
        }
        if settings.startsFromScratch {
            guard given["use_peft"] == nil || !run.usesPEFT else {
                throw complain("from_scratch", "trains all weights; set use_peft: false")
            }
            run.usesPEFT = false
        }
        if let (key, problem) = run.settleWeights(asksFor4Bit: given["load_in_4bit"]?.value == .bool(true)) {
            throw complain(key, problem)
        }
        if run.usesPEFT { try checkAdapter(given) }
    }

    private func checkAdapter(_ given: [String: SettingResolution.Assignment]) throws {
        do {
            try run.loraConfiguration.validate()
        } catch {
            let key = String(error.description.prefix { $0 != ":" })
            throw SettingError((given[key]?.written.prefix ?? "") + error.description)
        }
    }

    /// Every setting with its value, as a file that resolves to this same configuration.
    var yaml: String {
        get throws {
            let values = run.members.merging(settings.members) { $1 }.merging(trainer.members) { $1 }
            return try SFTSettingTable.index.rows.compactMap { row in
                switch row.treatment {
                case .trainer, .run: "\(row.name): \(try JSONLine.encode(values[row.name] ?? .null))\n"
                default: nil
                }
            }.joined()
        }
    }
}
