internal import ApusFormats

extension Architecture {
    /// Phi-3, Phi-3.5-mini, Phi-4 and Phi-4-mini (Abdin et al. 2024): fused matrices, LongRoPE, parts of heads unrotated.
    package static let phi3 = Architecture(
        name: "phi3", className: "Phi3ForCausalLM", ggufName: "phi3", norms: .before, isFused: true,
        defaults: FamilyDefaults(contextLength: 4096, normEpsilon: 1e-5),
        readConfiguration: { facts, config throws(FormatError) in
            facts.window = try config.optionalSize("sliding_window")
            if facts.window != nil { facts.windowedLayers = Set(0..<facts.layerCount) }
        },
        readMetadata: { facts, file throws(FormatError) in
            // llama.cpp writes the window and does not use it for this family.
            facts.rotary.scaling = try file.longRope(facts) ?? facts.rotary.scaling
            facts.contextLength = min(facts.contextLength, facts.rotary.shortContext ?? facts.contextLength)
        },
        configurationMembers: { [("sliding_window", $0.window.map { .integer($0) } ?? .null)] })
}
