internal import ApusFormats

extension Architecture {
    /// OLMo 2 (OLMo team 2024): norms of what half layers add, and of all queries and all keys.
    package static let olmo2 = Architecture(
        name: "olmo2", className: "Olmo2ForCausalLM", ggufName: "olmo2", norms: .after.withQueriesAndKeys,
        normsEachHead: false, biasesInGGUF: [], headInGGUF: .own, defaults: FamilyDefaults(normEpsilon: 1e-5),
        readConfiguration: { facts, config throws(FormatError) in try facts.readBiases(config) },
        configurationMembers: { [("attention_bias", .bool($0.hasBias(.attentionOutput)))] })

    /// OLMo 3 (OLMo team 2025): OLMo 2 with a window in three layers of four, whose rotary embedding is never stretched.
    package static let olmo3 = Architecture(
        name: "olmo3", className: "Olmo3ForCausalLM", ggufName: "olmo2", norms: .after.withQueriesAndKeys,
        isMeant: { $0.has("attention.sliding_window") }, normsEachHead: false,
        seesWindowInGGUF: { ($0 + 1) % 4 != 0 }, biasesInGGUF: [], headInGGUF: .own,
        defaults: FamilyDefaults(normEpsilon: 1e-5, ropeTheta: 500_000),
        readConfiguration: { facts, config throws(FormatError) in
            try facts.readBiases(config)
            try facts.readWindows(config, window: config.window()) { ($0 + 1) % 4 != 0 }
            facts.windowRotary = try config.windowRotary(facts, theta: facts.rotary.theta)
        },
        readMetadata: { facts, file throws(FormatError) in
            facts.window = try file.optionalSize("attention.sliding_window")
            facts.windowRotary = RotaryEmbedding(theta: facts.rotary.theta, dimensions: facts.headSize)
        },
        configurationMembers: { model in
            [
                ("attention_bias", .bool(model.hasBias(.attentionOutput))), ("layer_types", model.layerTypes),
                ("sliding_window", model.window.map { .integer($0) } ?? .null),
            ]
        },
        metadata: { [("attention.sliding_window", .uint32(UInt32(clamping: $0.window ?? 0)))] })
}
