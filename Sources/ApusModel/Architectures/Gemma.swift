internal import ApusFormats
internal import ApusTensor

extension Architecture {
    /// Gemma (Mesnard et al. 2024): embeddings times √hidden, gains that are added to 1, GELU gates.
    package static let gemma = Architecture(
        name: "gemma", className: "GemmaForCausalLM", ggufName: "gemma", norms: .before, gainOffset: 1,
        headInGGUF: .embedding, defaults: .gemma(keyValueHeads: nil),
        readConfiguration: { facts, config throws(FormatError) in
            try facts.readGemma(config)
        },
        readMetadata: { facts, _ throws(FormatError) in facts.scaleEmbedding() })

    /// Gemma 2 (Riviere et al. 2024): norms around both halves, soft-caps, a window in every other layer.
    package static let gemma2 = Architecture(
        name: "gemma2", className: "Gemma2ForCausalLM", ggufName: "gemma2", norms: .around, gainOffset: 1,
        seesWindowInGGUF: { $0 % 2 == 0 }, headInGGUF: .embedding,
        isWithinGGUF: { $0.hasScale(largest: 46) && $0.layers[0].attention.softCap != nil && $0.logitSoftCap != nil },
        defaults: .gemma(keyValueHeads: 4),
        readConfiguration: { facts, config throws(FormatError) in
            try facts.readGemma(config)
            try facts.readScale(config)
            facts.attentionSoftCap = try config.cap("attn_logit_softcapping", 50)
            facts.logitSoftCap = try config.cap("final_logit_softcapping", 30)
            try facts.readWindows(config, window: config.window()) { $0 % 2 == 0 }
        },
        readMetadata: { facts, file throws(FormatError) in
            facts.scaleEmbedding()
            try facts.readScale(file, largest: 46)
            facts.attentionSoftCap = try file.optionalNumber("attn_logit_softcapping") ?? 50
            facts.logitSoftCap = try file.optionalNumber("final_logit_softcapping") ?? 30
            facts.window = try file.optionalSize("attention.sliding_window") ?? 4096
        },
        configurationMembers: { $0.gemmaMembers }, metadata: { $0.gemmaMetadata })

    /// Gemma 3, text (Kamath et al. 2025): Gemma 2 with norms of queries and keys in place of soft-caps, five layers with a
    /// window and their own rotary embedding to one without.
    package static let gemma3 = Architecture(
        name: "gemma3_text", className: "Gemma3ForCausalLM", ggufName: "gemma3", norms: .around.withQueriesAndKeys,
        gainOffset: 1, seesWindowInGGUF: { ($0 + 1) % 6 != 0 }, isWithinGGUF: { $0.hasScale(largest: 62) },
        defaults: .gemma3,
        readConfiguration: { facts, config throws(FormatError) in
            try facts.readGemma(config)
            // The configuration has a cap for scores too, which transformers does not apply.
            try facts.readScale(config)
            facts.logitSoftCap = try config.cap("final_logit_softcapping", nil)
            let period = max(1, try config.optionalInt("sliding_window_pattern") ?? 6)
            try facts.readWindows(config, window: config.window()) { ($0 + 1) % period != 0 }
            facts.windowRotary = try config.windowRotary(
                facts, theta: config.optionalNumber("rope_local_base_freq") ?? 10_000)
        },
        readMetadata: { facts, file throws(FormatError) in
            facts.scaleEmbedding()
            try facts.readScale(file, largest: 62)
            facts.logitSoftCap = try file.optionalNumber("final_logit_softcapping")
            facts.window = try file.optionalSize("attention.sliding_window") ?? 1024
            facts.windowRotary = RotaryEmbedding(
                theta: try file.optionalNumber("rope.freq_base_swa") ?? 10_000, dimensions: facts.headSize)
        },
        configurationMembers: { $0.gemmaMembers }, metadata: { $0.gemmaMetadata })
}

extension FamilyDefaults {
    fileprivate static func gemma(keyValueHeads: Int?) -> FamilyDefaults {
        // The first files say `hidden_act: gelu` and mean the approximation by tanh.
        FamilyDefaults(
            keyValueHeadCount: keyValueHeads, headSize: 256, contextLength: 8192, tiesEmbeddings: true,
            activation: .geluTanh, activationKey: "hidden_activation")
    }

    /// Files of text and images name only what differs from these.
    fileprivate static let gemma3 = FamilyDefaults(
        headCount: 8, keyValueHeadCount: 4, headSize: 256, vocabularySize: 262_208, contextLength: 131_072,
        ropeTheta: 1e6,
        tiesEmbeddings: true, activation: .geluTanh, activationKey: "hidden_activation")
}

extension ModelFacts {
    fileprivate mutating func scaleEmbedding() { embeddingMultiplier = Double(hiddenSize).squareRoot() }

    fileprivate mutating func readGemma(_ config: JSONMembers) throws(FormatError) {
        scaleEmbedding()
        try readBiases(config)
        feedForwardBias = false
        if try config.bool("use_bidirectional_attention") == true {
            throw config.error(.unsupported, "use_bidirectional_attention", "is true, only causal models generate text")
        }
    }

    fileprivate mutating func readScale(_ config: JSONMembers) throws(FormatError) {
        let scalar = try config.optionalNumber("query_pre_attn_scalar") ?? 256
        guard scalar > 0 else {
            throw config.error(.malformed, "query_pre_attn_scalar", "is \(scalar), wanted a number above 0")
        }
        attentionScale = 1 / scalar.squareRoot()
    }

    /// The largest model of each generation scales by the width of its heads in the residual stream; no key says so.
    fileprivate mutating func readScale(_ file: ModelMetadata, largest: Int) throws(FormatError) {
        attentionScale =
            try file.optionalNumber("attention.scale")
            ?? Self.scaleInGGUF(hiddenSize, headCount, headSize, isLargest: layerCount == largest)
    }

    /// What llama.cpp takes for granted.
    fileprivate static func scaleInGGUF(_ hidden: Int, _ heads: Int, _ headSize: Int, isLargest: Bool) -> Double {
        1 / (isLargest ? Double(hidden) / Double(heads) : Double(headSize)).squareRoot()
    }
}

extension JSONMembers {
    /// A soft-cap: null means none, and no key at all the family's.
    fileprivate func cap(_ key: String, _ family: Double?) throws(FormatError) -> Double? {
        names(key) ? try optionalNumber(key) : family
    }
}

extension ModelConfiguration {
    fileprivate var gemmaMembers: [(String, JSONValue)] {
        let scale = Double(layers[0].attention.scale)
        func cap(_ value: Float?) -> JSONValue { value.map { .number(Double($0)) } ?? .null }
        return [
            ("query_pre_attn_scalar", .number((1 / (scale * scale)).rounded())),
            ("attn_logit_softcapping", cap(layers[0].attention.softCap)),
            ("final_logit_softcapping", cap(logitSoftCap)),
            ("sliding_window", window.map { .integer($0) } ?? .null), ("layer_types", layerTypes),
        ]
    }

    fileprivate var gemmaMetadata: [(String, GGUFWriter.Value)] {
        var values: [(String, GGUFWriter.Value)] = []
        if let window { values.append(("attention.sliding_window", .uint32(UInt32(clamping: window)))) }
        if let cap = layers[0].attention.softCap { values.append(("attn_logit_softcapping", .float32(cap))) }
        if let cap = logitSoftCap { values.append(("final_logit_softcapping", .float32(cap))) }
        if rotaryEmbeddings.count > 1 {
            values.append(("rope.freq_base_swa", .float32(Float(rotaryEmbeddings[1].theta))))
        }
        return values
    }

    /// Whether scores are scaled as llama.cpp takes for granted.
    fileprivate func hasScale(largest: Int) -> Bool {
        let wanted = ModelFacts.scaleInGGUF(hiddenSize, headCount, headSize, isLargest: layerCount == largest)
        return abs(Double(layers[0].attention.scale) - wanted) < 1e-6
    }
}
