internal import ApusFormats
internal import ApusTensor

extension Architecture {
    /// Llama 2, 3, 3.1 and 3.2 (Touvron et al. 2023; Llama team 2024), SmolLM2, TinyLlama and all that share their layers.
    package static let llama = Architecture(
        name: "llama", className: "LlamaForCausalLM", ggufName: "llama", norms: .before, interleavesRotaryRows: true,
        biasesInGGUF: .all, readConfiguration: { facts, config throws(FormatError) in try facts.readBiases(config) },
        configurationMembers: { $0.biases })

    /// Mistral 7B and its like (Jiang et al. 2023): Llama's layers, in the first version with a window in all of them.
    package static let mistral = Architecture(
        name: "mistral", className: "MistralForCausalLM", ggufName: "llama", norms: .before,
        interleavesRotaryRows: true,
        defaults: FamilyDefaults(keyValueHeadCount: 8, contextLength: 131_072),
        readConfiguration: { facts, config throws(FormatError) in
            facts.window = try config.window()
            if facts.window != nil { facts.windowedLayers = Set(0..<facts.layerCount) }
        },
        configurationMembers: { [("sliding_window", $0.window.map { .integer($0) } ?? .null)] })

    /// SmolLM3: Llama's layers, of which every fourth turns nothing.
    package static let smollm3 = Architecture(
        name: "smollm3", className: "SmolLM3ForCausalLM", ggufName: "smollm3", norms: .before,
        interleavesRotaryRows: true,
        isUnrotatedInGGUF: { ($0 + 1) % 4 == 0 },
        defaults: FamilyDefaults(keyValueHeadCount: 4, contextLength: 32768, ropeTheta: 2e6, tiesEmbeddings: true),
        readConfiguration: { facts, config throws(FormatError) in
            try facts.readBiases(config)
            let interval = max(1, try config.optionalInt("no_rope_layer_interval") ?? 4)
            let rotates = try config.numbers("no_rope_layers")
            if let rotates, rotates.count < facts.layerCount {
                throw config.error(
                    .malformed, "no_rope_layers", "has \(rotates.count) entries, wanted \(facts.layerCount)")
            }
            let unrotated = Set(
                (0..<facts.layerCount).filter { layer in rotates.map { $0[layer] == 0 } ?? ((layer + 1) % interval == 0)
                })
            facts.unrotatedLayers = unrotated
            let window = try config.bool("use_sliding_window") == true ? try config.optionalSize("sliding_window") : nil
            try facts.readWindows(config, window: window) { unrotated.contains($0) }
        },
        configurationMembers: { model in
            model.biases + [
                ("no_rope_layers", .array(model.layers.map { .integer($0.rotaryEmbedding == nil ? 0 : 1) }))
            ]
        })

    /// Granite 3 (IBM 2024): Llama's layers with multipliers.
    package static let granite = Architecture(
        name: "granite", className: "GraniteForCausalLM", ggufName: "granite", norms: .before,
        interleavesRotaryRows: true, biasesInGGUF: .all,
        readConfiguration: { facts, config throws(FormatError) in
            try facts.readBiases(config)
            facts.embeddingMultiplier = try config.optionalNumber("embedding_multiplier") ?? 1
            facts.residualMultiplier = try config.optionalNumber("residual_multiplier") ?? 1
            facts.attentionScale = try config.optionalNumber("attention_multiplier") ?? 1
            facts.logitMultiplier = 1 / (try config.optionalNumber("logits_scaling") ?? 1)
        },
        readMetadata: { facts, file throws(FormatError) in
            facts.embeddingMultiplier = try file.optionalNumber("embedding_scale") ?? 1
            facts.residualMultiplier = try file.optionalNumber("residual_scale") ?? 1
            facts.attentionScale = try file.optionalNumber("attention.scale")
            facts.logitMultiplier = 1 / (try file.optionalNumber("logit_scale") ?? 1)
        },
        configurationMembers: { model in
            model.biases + [
                ("embedding_multiplier", .number(Double(model.embeddingMultiplier))),
                ("residual_multiplier", .number(Double(model.layers[0].residualMultiplier))),
                ("attention_multiplier", .number(Double(model.layers[0].attention.scale))),
                ("logits_scaling", .number(Double(1 / model.logitMultiplier))),
            ]
        },
        metadata: { model in
            [
                ("embedding_scale", .float32(model.embeddingMultiplier)),
                ("residual_scale", .float32(model.layers[0].residualMultiplier)),
                ("attention.scale", .float32(model.layers[0].attention.scale)),
                ("logit_scale", .float32(1 / model.logitMultiplier)),
            ]
        })
}

extension ModelConfiguration {
    /// Whether a module has a bias, in a model whose layers are alike in it.
    func hasBias(_ module: LinearModule) -> Bool {
        layers[0].modules.contains { $0.module == module && $0.hasBias }
    }

    /// What `readBiases` reads.
    fileprivate var biases: [(String, JSONValue)] {
        [("attention_bias", .bool(hasBias(.attentionOutput))), ("mlp_bias", .bool(hasBias(.down)))]
    }

    /// The window of the layers that see one.
    package var window: Int? { layers.lazy.compactMap(\.attention.window).first }

    /// Each layer's kind, as `layer_types` has it.
    var layerTypes: JSONValue {
        .array(layers.map { $0.attention.window == nil ? "full_attention" : "sliding_attention" })
    }
}
