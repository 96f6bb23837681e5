internal import ApusFormats
internal import ApusTensor

extension Architecture {
    /// Qwen2 and Qwen2.5 (Yang et al. 2024): biases of queries, keys and values.
    package static let qwen2 = Architecture(
        name: "qwen2", className: "Qwen2ForCausalLM", ggufName: "qwen2", norms: .before,
        isWithinGGUF: { $0.headCount * $0.headSize == $0.hiddenSize },
        defaults: FamilyDefaults(keyValueHeadCount: 32, contextLength: 32768),
        readConfiguration: { facts, config throws(FormatError) in
            facts.inputBias = true
            try facts.readQwenWindows(config)
        },
        readMetadata: { facts, _ throws(FormatError) in facts.inputBias = true },
        configurationMembers: { $0.qwenWindows })

    /// Qwen3, dense (Yang et al. 2025): norms of each head's queries and keys, heads of a size of their own.
    package static let qwen3 = Architecture(
        name: "qwen3", className: "Qwen3ForCausalLM", ggufName: "qwen3", norms: .before.withQueriesAndKeys,
        defaults: FamilyDefaults(keyValueHeadCount: 32, headSize: 128, contextLength: 32768),
        readConfiguration: { facts, config throws(FormatError) in
            try facts.readBiases(config)
            facts.feedForwardBias = false
            try facts.readQwenWindows(config)
        },
        configurationMembers: { $0.qwenWindows + [("attention_bias", .bool($0.hasBias(.attentionOutput)))] })
}

extension ModelFacts {
    /// `sliding_window` is written even where it is not used.
    fileprivate mutating func readQwenWindows(_ config: JSONMembers) throws(FormatError) {
        let isUsed = try config.bool("use_sliding_window") ?? false
        let first = try config.optionalInt("max_window_layers") ?? 28
        try readWindows(config, window: isUsed ? config.optionalSize("sliding_window") ?? 4096 : nil) { $0 >= first }
    }
}

extension ModelConfiguration {
    fileprivate var qwenWindows: [(String, JSONValue)] {
        guard let window else { return [("use_sliding_window", false)] }
        return [
            ("use_sliding_window", true), ("sliding_window", .integer(window)), ("layer_types", layerTypes),
            ("max_window_layers", .integer(layers.firstIndex { $0.attention.window != nil } ?? 0)),
        ]
    }
}
