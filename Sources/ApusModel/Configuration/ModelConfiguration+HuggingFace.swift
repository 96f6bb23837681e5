package import ApusFormats
internal import ApusTensor
package import Foundation

extension ModelConfiguration {
    /// Reads `config.json` as transformers 4 or 5 writes it; of a model of text and images, the text part.
    ///
    /// - Parameters:
    ///   - data: The bytes of `config.json`.
    ///   - generation: The bytes of `generation_config.json`, whose end tokens take precedence as in `generate`.
    ///   - file: The name of the file for errors.
    /// - Throws: `FormatError`: `unsupported` for another architecture or variant, `malformed` for bad values.
    package init(
        huggingFace data: Data, generation: Data? = nil, file: String = "config.json"
    ) throws(FormatError) {
        let whole = try JSONMembers(json: data, file: file, kind: "a model configuration")
        try whole.checkQuantization()
        let text = try whole.object("text_config")
        let architecture = try whole.architecture(of: text)
        var facts = try ModelFacts(text ?? whole, architecture.defaults)
        try architecture.readConfiguration(&facts, text ?? whole)
        if let text {
            let (outer, inner) = (try whole.bool("tie_word_embeddings"), try text.bool("tie_word_embeddings"))
            facts.tiesEmbeddings = outer ?? inner ?? facts.tiesEmbeddings
        }
        facts.endTokens = try whole.tokens("eos_token_id") ?? facts.endTokens
        if let generation {
            let named = try JSONMembers(
                json: generation, file: "generation_config.json", kind: "a generation configuration", mayBeEmpty: true)
            facts.endTokens = try named.tokens("eos_token_id") ?? facts.endTokens
        }
        try self.init(facts, architecture, file: file)
        if text != nil { namePrefix = .languageModel }
    }
}

extension JSONMembers {
    /// The family of a model, or of its text part.
    fileprivate func architecture(of text: JSONMembers?) throws(FormatError) -> Architecture {
        let whole = try string("model_type") ?? ""
        let name = try text?.string("model_type") ?? whole
        // A text part may go by the name of the whole.
        if let known = Architecture.all.first(where: { $0.name == name || $0.name == name + "_text" }) { return known }
        throw error(.unsupported, "model_type", Architecture.refusal(of: name))
    }

    fileprivate func checkQuantization() throws(FormatError) {
        guard let quantization = try object("quantization_config") else { return }
        let method = try quantization.string("quant_method") ?? "bitsandbytes"
        guard method == "bitsandbytes" else {
            throw FormatError(
                .unsupported, file: file,
                "the weights are quantised by '\(method)', only bitsandbytes' 4-bit ones are read; take the original model"
            )
        }
        if try quantization.bool("load_in_8bit") == true {
            throw FormatError(
                .unsupported, file: file,
                "the weights are bitsandbytes' 8-bit ones (LLM.int8), which are not read; take the original model, with "
                    + "load_in_8bit: true to hold it in 8 bits")
        }
    }
}

extension ModelFacts {
    /// Reads the keys that all families share.
    fileprivate init(_ config: JSONMembers, _ defaults: FamilyDefaults) throws(FormatError) {
        let hidden = try config.size("hidden_size")
        let layers = try config.int("num_hidden_layers")
        try Self.checkLayers(layers, file: config.file)
        let heads = try config.size("num_attention_heads", or: defaults.headCount)
        let headSize = try config.optionalSize("head_dim") ?? defaults.headSize
        if headSize == nil, hidden % heads != 0 {
            throw config.error(.malformed, "hidden_size", "\(hidden) does not divide by num_attention_heads \(heads)")
        }
        let context = try config.optionalSize("max_position_embeddings") ?? defaults.contextLength
        let size = headSize ?? hidden / heads
        self.init(
            hiddenSize: hidden, intermediateSize: try config.size("intermediate_size"), layerCount: layers,
            headCount: heads,
            keyValueHeadCount: try config.optionalSize("num_key_value_heads") ?? defaults.keyValueHeadCount ?? heads,
            headSize: size,
            vocabularySize: try config.size("vocab_size", or: defaults.vocabularySize),
            contextLength: context,
            normEpsilon: try config.optionalNumber("rms_norm_eps") ?? defaults.normEpsilon,
            rotary: try config.rotary(
                for: "full_attention", headSize: size, contextLength: context, theta: defaults.ropeTheta),
            activation: try config.activation(defaults.activationKey) ?? defaults.activation,
            tiesEmbeddings: try config.bool("tie_word_embeddings") ?? defaults.tiesEmbeddings,
            bosToken: try config.token("bos_token_id"), endTokens: try config.tokens("eos_token_id") ?? [])
        contextLength = min(context, rotary.shortContext ?? context)
    }
}

extension JSONMembers {
    fileprivate func activation(_ key: String) throws(FormatError) -> GateActivation? {
        switch try string(key) {
        case nil: return nil
        case GateActivation.silu.huggingFaceName, "swish": return .silu
        case GateActivation.geluTanh.huggingFaceName, "gelu_new": return .geluTanh
        case let name?:
            throw error(.unsupported, key, "is '\(name)', supported are silu and gelu_pytorch_tanh")
        }
    }
}

extension GateActivation {
    /// The name in `config.json`.
    fileprivate var huggingFaceName: String {
        switch self {
        case .silu: "silu"
        case .geluTanh: "gelu_pytorch_tanh"
        }
    }
}

extension ModelConfiguration {
    /// What `config.json` calls the feed-forward network's activation.
    package var activationName: String { layers[0].activation.huggingFaceName }
}

extension JSONMembers {
    /// `sliding_window` of families that have one of 4096 where nothing is said; null means none.
    func window() throws(FormatError) -> Int? {
        names("sliding_window") ? try optionalSize("sliding_window") : 4096
    }
}

extension ModelFacts {
    /// Reads `attention_bias` as most families mean it, of all four modules, and `mlp_bias`.
    mutating func readBiases(_ config: JSONMembers) throws(FormatError) {
        inputBias = try config.bool("attention_bias") ?? false
        outputBias = inputBias
        feedForwardBias = try config.bool("mlp_bias") ?? false
    }

    /// Reads which layers see a window: from `layer_types`, or by the family's older rule.
    mutating func readWindows(
        _ config: JSONMembers, window: Int?, where isWindowed: (Int) -> Bool
    ) throws(FormatError) {
        self.window = window
        guard window != nil else { return }
        let types = try config.strings("layer_types")
        if let types, types.count < layerCount {
            throw config.error(.malformed, "layer_types", "has \(types.count) entries, wanted \(layerCount)")
        }
        let known: Set = ["full_attention", "sliding_attention"]
        if let other = types?.first(where: { !known.contains($0) }) {
            throw config.error(
                .unsupported, "layer_types", "holds '\(other)', supported are full_attention and sliding_attention")
        }
        windowedLayers = Set(
            (0..<layerCount).filter { layer in types.map { $0[layer] == "sliding_attention" } ?? isWindowed(layer) })
    }
}
