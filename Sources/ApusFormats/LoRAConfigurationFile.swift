import Foundation

/// PEFT's `adapter_config.json` for a LoRA adapter.
///
/// Reading takes every file that PEFT has written; writing gives the keys that current PEFT and vLLM both accept, in
/// PEFT's own layout (sorted keys, two spaces, no final line break).
public struct LoRAConfigurationFile: Codable, Sendable, Equatable {
    /// Which modules carry an adapter.
    public enum TargetModules: Sendable, Equatable {
        /// Names, each matching a module path that equals it or ends in `.` and it.
        case names([String])
        /// A regular expression for the whole module path, or `all-linear`.
        case pattern(String)
    }

    /// `peft_type`; only `LORA` is LoRA.
    public var peftType = "LORA"
    /// `base_model_name_or_path`.
    public var baseModel: String?
    /// `r`.
    public var rank = 8
    /// `lora_alpha`.
    public var alpha: Double = 8
    /// `lora_dropout`.
    public var dropout: Double = 0
    /// `target_modules`.
    public var targetModules: TargetModules = .names([])
    /// `layers_to_transform`: the layers whose modules carry one; nil for all.
    public var layersToTransform: [Int]?
    /// `use_rslora`: whether the scale is `alpha / sqrt(r)` instead of `alpha / r`.
    public var usesRSLoRA = false
    /// `use_dora`.
    public var usesDoRA = false
    /// `bias`: `none`, `all` or `lora_only`.
    public var bias = "none"
    /// `fan_in_fan_out`.
    public var fanInFanOut = false
    /// `modules_to_save`: modules that are stored whole beside the adapter.
    public var modulesToSave: [String] = []
    /// `rank_pattern`: ranks that differ by module.
    public var rankPattern: [String: Int] = [:]
    /// `alpha_pattern`: alphas that differ by module.
    public var alphaPattern: [String: Double] = [:]
    /// The keys of a file that was read that ask for more than LoRA, such as `layer_replication`; they are never written.
    public internal(set) var otherFeatures: [String] = []

    /// A configuration with PEFT's defaults.
    public init() {}

    /// Reads `adapter_config.json`.
    ///
    /// - Throws: `FormatError` with code `unreadable` or `malformed`.
    public init(path: String) throws(FormatError) {
        let file = try MappedFile(path: path)
        do {
            self = try JSONDecoder().decode(Self.self, from: file.withBytes { Data($0) })
        } catch {
            throw FormatError(
                .malformed, file: path,
                "not a PEFT adapter configuration: \(FormatError.summary(of: error)); give a folder that PEFT or Apus saved"
            )
        }
        try checkSupported(path: path)
    }

    /// Refuses what would change the result and is not implemented here.
    private func checkSupported(path: String) throws(FormatError) {
        let faults: [(Bool, String)] = [
            (peftType != "LORA", "peft_type is '\(peftType)', wanted LORA"),
            (usesDoRA, "use_dora is true, wanted plain LoRA"),
            (bias != "none", "bias is '\(bias)', wanted none"),
            (fanInFanOut, "fan_in_fan_out is true, wanted false"),
            (!modulesToSave.isEmpty, "modules_to_save is \(modulesToSave), wanted null"),
            (
                !rankPattern.isEmpty || !alphaPattern.isEmpty,
                "rank_pattern or alpha_pattern is set, wanted one rank and alpha"
            ),
            (!otherFeatures.isEmpty, "\(otherFeatures.joined(separator: ", ")) ask for more than plain LoRA"),
        ]
        if let fault = faults.first(where: { $0.0 }) {
            throw FormatError(.unsupported, file: path, "\(fault.1); train or convert the adapter without it")
        }
        guard rank > 0, alpha.isFinite, dropout >= 0, dropout < 1 else {
            throw FormatError(
                .malformed, file: path, "wanted r above 0 and lora_dropout in 0..<1, found \(rank) and \(dropout)")
        }
    }
}
