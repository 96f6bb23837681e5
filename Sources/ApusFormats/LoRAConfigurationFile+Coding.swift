public import Foundation

extension LoRAConfigurationFile {
    private enum CodingKeys: String, CodingKey {
        case peftType = "peft_type"
        case baseModel = "base_model_name_or_path"
        case rank = "r"
        case alpha = "lora_alpha"
        case dropout = "lora_dropout"
        case targetModules = "target_modules"
        case layersToTransform = "layers_to_transform"
        case usesRSLoRA = "use_rslora"
        case usesDoRA = "use_dora"
        case bias
        case fanInFanOut = "fan_in_fan_out"
        case modulesToSave = "modules_to_save"
        case rankPattern = "rank_pattern"
        case alphaPattern = "alpha_pattern"
    }

    /// Takes PEFT's defaults for keys that are absent or null; `peft_type`, `r` and `target_modules` must be there.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        self.init()
        peftType = try values.decode(String.self, forKey: .peftType)
        baseModel = try values.decodeIfPresent(String.self, forKey: .baseModel)
        rank = try values.decode(Int.self, forKey: .rank)
        alpha = try values.decodeIfPresent(Double.self, forKey: .alpha) ?? alpha
        dropout = try values.decodeIfPresent(Double.self, forKey: .dropout) ?? dropout
        targetModules = try values.decode(TargetModules.self, forKey: .targetModules)
        layersToTransform =
            try (try? values.decodeIfPresent(Int.self, forKey: .layersToTransform)).map { $0.map { [$0] } }
            ?? values.decodeIfPresent([Int].self, forKey: .layersToTransform)
        usesRSLoRA = try values.decodeIfPresent(Bool.self, forKey: .usesRSLoRA) ?? false
        usesDoRA = try values.decodeIfPresent(Bool.self, forKey: .usesDoRA) ?? false
        bias = try values.decodeIfPresent(String.self, forKey: .bias) ?? bias
        fanInFanOut = try values.decodeIfPresent(Bool.self, forKey: .fanInFanOut) ?? false
        modulesToSave = try values.decodeIfPresent([String].self, forKey: .modulesToSave) ?? []
        rankPattern = try values.decodeIfPresent([String: Int].self, forKey: .rankPattern) ?? [:]
        alphaPattern = try values.decodeIfPresent([String: Double].self, forKey: .alphaPattern) ?? [:]
        otherFeatures = try LoRAFeature.used(in: decoder)
    }

    /// The file as PEFT would write it, with every key that PEFT and vLLM both know.
    public func encoded() -> Data {
        let values: [String: PEFTValue] = [
            "alpha_pattern": .object(alphaPattern.mapValues(PEFTValue.number)),
            "auto_mapping": .null,
            "base_model_name_or_path": baseModel.map(PEFTValue.text) ?? .null,
            "bias": .text(bias),
            "corda_config": .null,
            "eva_config": .null,
            "exclude_modules": .null,
            "fan_in_fan_out": .boolean(fanInFanOut),
            "inference_mode": .boolean(true),
            "init_lora_weights": .boolean(true),
            "layer_replication": .null,
            "layers_pattern": .null,
            "layers_to_transform": layersToTransform.map { .array($0.map(PEFTValue.whole)) } ?? .null,
            "loftq_config": .object([:]),
            "lora_alpha": Int(exactly: alpha).map(PEFTValue.whole) ?? .number(alpha),
            "lora_bias": .boolean(false),
            "lora_dropout": .number(dropout),
            "megatron_config": .null,
            "megatron_core": .text("megatron.core"),
            "modules_to_save": modulesToSave.isEmpty ? .null : .array(modulesToSave.map(PEFTValue.text)),
            "peft_type": .text(peftType),
            "qalora_group_size": .whole(16),
            "r": .whole(rank),
            "rank_pattern": .object(rankPattern.mapValues(PEFTValue.whole)),
            "revision": .null,
            "target_modules": targetModules.value,
            "target_parameters": .null,
            "task_type": .text("CAUSAL_LM"),
            "trainable_token_indices": .null,
            "use_dora": .boolean(usesDoRA),
            "use_qalora": .boolean(false),
            "use_rslora": .boolean(usesRSLoRA),
        ]
        return Data(JSONWriter(indent: 2, sortsKeys: true).write(PEFTValue.object(values)).utf8)
    }

    /// Encodes the keys that this type reads; `encoded()` gives the complete file.
    public func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(peftType, forKey: .peftType)
        try values.encode(baseModel, forKey: .baseModel)
        try values.encode(rank, forKey: .rank)
        try values.encode(alpha, forKey: .alpha)
        try values.encode(dropout, forKey: .dropout)
        try values.encode(targetModules, forKey: .targetModules)
        try values.encode(layersToTransform, forKey: .layersToTransform)
        try values.encode(usesRSLoRA, forKey: .usesRSLoRA)
        try values.encode(usesDoRA, forKey: .usesDoRA)
        try values.encode(bias, forKey: .bias)
        try values.encode(fanInFanOut, forKey: .fanInFanOut)
        try values.encode(modulesToSave.isEmpty ? nil : modulesToSave, forKey: .modulesToSave)
        try values.encode(rankPattern, forKey: .rankPattern)
        try values.encode(alphaPattern, forKey: .alphaPattern)
    }
}

extension LoRAConfigurationFile.TargetModules: Codable {
    /// A list of names or one string.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let pattern = try? container.decode(String.self) {
            self = .pattern(pattern)
        } else {
            self = .names(try container.decode([String].self))
        }
    }

    /// A list of names or one string.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .names(let names): try container.encode(names)
        case .pattern(let pattern): try container.encode(pattern)
        }
    }

    fileprivate var value: PEFTValue {
        switch self {
        case .names(let names): .array(names.sorted().map(PEFTValue.text))
        case .pattern(let pattern): .text(pattern)
        }
    }
}

/// The values of the file: `JSONEncoder` cannot produce the layout of Python's `json.dumps(indent=2, sort_keys=True)`.
private enum PEFTValue: JSONWritable {
    case null
    case boolean(Bool)
    case whole(Int)
    case number(Double)
    case text(String)
    case array([PEFTValue])
    case object([String: PEFTValue])

    var json: JSONNode<PEFTValue> {
        switch self {
        case .null: .null
        case .boolean(let value): .bool(value)
        case .whole(let value): .number("\(value)")
        case .number(let value): .number(JSONWriter.describe(value))
        case .text(let value): .string(value)
        case .array(let values): .array(values)
        case .object(let values): .object(values.map { ($0.key, $0.value) })
        }
    }
}
