import Foundation

/// PEFT's `adapter_config.json` for a LoRA adapter.
///
/// Reading takes every file that PEFT has written; writing gives the keys that current PEFT and vLLM both accept, in
/// PEFT's own layout (sorted keys, two spaces, no final line break).
public struct LoRAConfigurationFile: Sendable, Equatable {
    /// Which modules carry an adapter.
    public enum TargetModules: Sendable, Equatable {
        /// Names, each matching a module path that equals it or ends in `.` and it.
        case names([String])
        /// A regular expression for the whole module path, or `all-linear`.
        case pattern(String)
    }

    /// A value for the modules whose path, or its end after a dot, a regular expression matches.
    public struct ModuleRule<Value: Sendable & Equatable>: Sendable, Equatable {
        /// The expression.
        public var pattern: String
        /// The value.
        public var value: Value

        /// A rule.
        public init(pattern: String, value: Value) {
            self.pattern = pattern
            self.value = value
        }
    }

    /// The highest rank that is read: beyond any adapter, and far below where a product of sizes overflows.
    static let rankLimit = 1 << 16

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
    /// `exclude_modules`: modules that carry none all the same.
    public var excludedModules: TargetModules?
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
    /// `rank_pattern`: ranks that differ by module; the first rule that matches counts.
    public var rankPattern: [ModuleRule<Int>] = []
    /// `alpha_pattern`: alphas that differ by module; the first rule that matches counts.
    public var alphaPattern: [ModuleRule<Double>] = []
    /// The keys of a file that was read that ask for more than LoRA, such as `layer_replication`; they are never written.
    public internal(set) var otherFeatures: [String] = []

    /// A configuration with PEFT's defaults.
    public init() {}

    /// Reads `adapter_config.json`.
    ///
    /// - Throws: `FormatError` with code `unreadable`, `malformed`, or `unsupported` for what is no plain LoRA.
    public init(path: String) throws(FormatError) {
        try self.init(MappedFile(path: path).withBytes { Data($0) }, path: path)
    }

    /// Reads the bytes of the file at `path`.
    init(_ bytes: Data, path: String) throws(FormatError) {
        try self.init(JSONMembers(json: bytes, file: path, kind: "a PEFT adapter configuration"))
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
            (!otherFeatures.isEmpty, "\(otherFeatures.joined(separator: ", ")) ask for more than plain LoRA"),
        ]
        if let fault = faults.first(where: { $0.0 }) {
            throw FormatError(.unsupported, file: path, "\(fault.1); train or convert the adapter without it")
        }
        for rank in [rank] + rankPattern.map(\.value) where !(1...Self.rankLimit ~= rank) {
            throw FormatError(.malformed, file: path, "wanted ranks from 1 to \(Self.rankLimit), found \(rank)")
        }
        for alpha in [alpha] + alphaPattern.map(\.value) where !Float(alpha).isFinite {
            throw FormatError(.malformed, file: path, "wanted a finite lora_alpha, found \(alpha)")
        }
        guard dropout >= 0, dropout < 1 else {
            throw FormatError(.malformed, file: path, "wanted lora_dropout in 0..<1, found \(dropout)")
        }
    }
}
