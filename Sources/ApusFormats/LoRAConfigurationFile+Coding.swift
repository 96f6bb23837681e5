public import Foundation

extension LoRAConfigurationFile {
    /// Takes PEFT's defaults for keys that are absent or null; `peft_type`, `r` and `target_modules` must be there.
    init(_ file: JSONMembers) throws(FormatError) {
        self.init()
        guard let type = try file.string("peft_type") else { throw file.error(.malformed, "peft_type", "is missing") }
        peftType = type
        baseModel = try file.string("base_model_name_or_path")
        rank = try file.int("r")
        alpha = try file.optionalNumber("lora_alpha") ?? alpha
        dropout = try file.optionalNumber("lora_dropout") ?? dropout
        guard let targets = try file.modules("target_modules") else {
            throw file.error(.malformed, "target_modules", "is missing")
        }
        targetModules = targets
        excludedModules = try file.modules("exclude_modules")
        layersToTransform = try file.layers("layers_to_transform")
        usesRSLoRA = try file.bool("use_rslora") ?? false
        usesDoRA = try file.bool("use_dora") ?? false
        bias = try file.string("bias") ?? bias
        fanInFanOut = try file.bool("fan_in_fan_out") ?? false
        modulesToSave = try file.strings("modules_to_save") ?? []
        rankPattern = try file.rules("rank_pattern", "a whole number", \.integer)
        alphaPattern = try file.rules("alpha_pattern", "a number", \.number)
        otherFeatures = LoRAFeature.used(in: file)
    }

    /// The file as PEFT would write it, with every key that PEFT and vLLM both know.
    public func encoded() -> Data {
        func rules<Value>(_ rules: [ModuleRule<Value>], _ value: (Value) -> JSONValue) -> JSONValue {
            .object(rules.map { JSONValue.Member(key: $0.pattern, value: value($0.value)) })
        }
        func number(_ value: Double) -> JSONValue { Int(exactly: value).map { .integer($0) } ?? .number(value) }
        // In the order of PEFT's sorted keys; rules keep theirs, since the first one counts.
        let values: [(String, JSONValue)] = [
            ("alpha_pattern", rules(alphaPattern, number)), ("auto_mapping", .null),
            ("base_model_name_or_path", baseModel.map { .string($0) } ?? .null), ("bias", .string(bias)),
            ("corda_config", .null), ("eva_config", .null), ("exclude_modules", excludedModules?.value ?? .null),
            ("fan_in_fan_out", .bool(fanInFanOut)), ("inference_mode", true), ("init_lora_weights", true),
            ("layer_replication", .null), ("layers_pattern", .null),
            ("layers_to_transform", layersToTransform.map { .array($0.map { .integer($0) }) } ?? .null),
            ("loftq_config", .object([JSONValue.Member]())), ("lora_alpha", number(alpha)), ("lora_bias", false),
            ("lora_dropout", .number(dropout)), ("megatron_config", .null), ("megatron_core", "megatron.core"),
            ("modules_to_save", modulesToSave.isEmpty ? .null : .array(modulesToSave.map { .string($0) })),
            ("peft_type", .string(peftType)), ("qalora_group_size", 16), ("r", .integer(rank)),
            ("rank_pattern", rules(rankPattern) { .integer($0) }), ("revision", .null),
            ("target_modules", targetModules.value), ("target_parameters", .null), ("task_type", "CAUSAL_LM"),
            ("trainable_token_indices", .null), ("use_dora", .bool(usesDoRA)), ("use_qalora", false),
            ("use_rslora", .bool(usesRSLoRA)),
        ]
        let members = values.map { JSONValue.Member(key: $0.0, value: $0.1) }
        return Data(JSONWriter(indent: 2).write(JSONValue.object(members)).utf8)
    }
}

extension LoRAConfigurationFile.TargetModules {
    fileprivate var value: JSONValue {
        switch self {
        case .names(let names): .array(names.sorted().map { .string($0) })
        case .pattern(let pattern): .string(pattern)
        }
    }
}

extension JSONMembers {
    /// A list of names, or one expression.
    fileprivate func modules(_ key: String) throws(FormatError) -> LoRAConfigurationFile.TargetModules? {
        if case .string(let pattern)? = value(key) { return .pattern(pattern) }
        return try strings(key).map { .names($0) }
    }

    /// One layer, or a list of them.
    fileprivate func layers(_ key: String) throws(FormatError) -> [Int]? {
        if case .integer(let layer)? = value(key) { return [layer] }
        guard let list = value(key) else { return nil }
        let layers = (list.array ?? [.null]).map(\.integer)
        guard layers.allSatisfy({ $0 != nil }) else {
            throw error(.malformed, key, "is no layer and no list of layers")
        }
        return layers.compactMap(\.self)
    }

    fileprivate func rules<Value>(
        _ key: String, _ wanted: String, _ read: (JSONValue) -> Value?
    ) throws(FormatError) -> [LoRAConfigurationFile.ModuleRule<Value>] {
        var rules: [LoRAConfigurationFile.ModuleRule<Value>] = []
        for member in try members(key) ?? [] {
            guard let value = read(member.value) else {
                throw error(.malformed, "\(key).\(member.key)", "is \(member.value.kindName), wanted \(wanted)")
            }
            rules.append(.init(pattern: member.key, value: value))
        }
        return rules
    }
}
