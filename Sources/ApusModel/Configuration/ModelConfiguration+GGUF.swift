package import ApusFormats
internal import ApusTensor

extension ModelConfiguration {
    /// Reads the metadata of a GGUF file.
    ///
    /// - Throws: `FormatError`: `unsupported` for another architecture, `missing` or `malformed` for bad metadata.
    package init(gguf file: GGUFFile) throws(FormatError) {
        let metadata = try ModelMetadata(file)
        let named = Architecture.all.filter { $0.ggufName == metadata.architecture }
        guard let architecture = named.first(where: { $0.isMeant(metadata) }) else {
            throw FormatError(
                .unsupported, file: file.path, "general.architecture \(Architecture.refusal(of: metadata.architecture))"
            )
        }
        if let experts = try metadata.optionalInt("expert_count"), experts > 0 {
            throw metadata.error(
                .unsupported, "expert_count",
                "is \(experts): a mixture of experts, which is not supported; take a dense model")
        }
        var facts = try ModelFacts(metadata, architecture.defaults)
        try architecture.readMetadata(&facts, metadata)
        let layers = 0..<facts.layerCount
        facts.unrotatedLayers = Set(layers.filter(architecture.isUnrotatedInGGUF))
        if facts.window != nil { facts.windowedLayers = Set(layers.filter(architecture.seesWindowInGGUF)) }
        try self.init(facts, architecture, file: file.path)
        let layout = ggufLayout
        let head = file.entries[layout.name(of: .head)] ?? file.entries[layout.name(of: .embedding)]
        hasHeadIn8Bits = [.q8_0, .q5_0, .q4_0].contains(head?.type)
    }
}

extension ModelFacts {
    /// Reads the keys that all families share. Which biases there are, and whether the head is the embedding, the tensors say.
    fileprivate init(_ metadata: ModelMetadata, _ defaults: FamilyDefaults) throws(FormatError) {
        let hidden = try metadata.size("embedding_length")
        let heads = try metadata.size("attention.head_count")
        let layers = try metadata.int("block_count")
        try Self.checkLayers(layers, file: metadata.file.path)
        let headSize = try metadata.headSize(hidden: hidden, heads: heads)
        let context = try metadata.size("context_length")
        let entries = metadata.file.entries
        self.init(
            hiddenSize: hidden, intermediateSize: try metadata.size("feed_forward_length"), layerCount: layers,
            headCount: heads, keyValueHeadCount: try metadata.optionalSize("attention.head_count_kv") ?? heads,
            headSize: headSize, vocabularySize: try metadata.vocabularySize(), contextLength: context,
            normEpsilon: try metadata.number("attention.layer_norm_rms_epsilon"),
            rotary: RotaryEmbedding(
                theta: try metadata.optionalNumber("rope.freq_base") ?? 10_000,
                dimensions: try metadata.optionalSize("rope.dimension_count") ?? headSize,
                scaling: try metadata.ropeScaling(contextLength: context)),
            activation: defaults.activation, tiesEmbeddings: entries["output.weight"] == nil,
            bosToken: try metadata.token("bos_token_id"), endTokens: try metadata.endTokens())
        inputBias = entries["blk.0.attn_q.bias"] != nil || entries["blk.0.attn_qkv.bias"] != nil
        outputBias = entries["blk.0.attn_output.bias"] != nil
        feedForwardBias = entries["blk.0.ffn_down.bias"] != nil
    }
}

extension ModelMetadata {
    fileprivate func vocabularySize() throws(FormatError) -> Int {
        if let size = try optionalSize("vocab_size") { return size }
        let tokens = file.metadata["tokenizer.ggml.tokens"]?.texts?.count
        let size = if let tokens { tokens } else { try file.entry("token_embd.weight").shape.first ?? 0 }
        if let fault = ModelFacts.sizeFault(size) { throw error(.malformed, "vocab_size", fault) }
        return size
    }

    fileprivate func headSize(hidden: Int, heads: Int) throws(FormatError) -> Int {
        let stated = try optionalSize("attention.key_length")
        if stated == nil, hidden % heads != 0 {
            throw error(.malformed, "embedding_length", "\(hidden) does not divide by head_count \(heads)")
        }
        let size = stated ?? hidden / heads
        if let value = try optionalSize("attention.value_length"), value != size {
            throw error(.unsupported, "attention.value_length", "is \(value), wanted the head size \(size)")
        }
        return size
    }

    fileprivate func ropeScaling(contextLength: Int) throws(FormatError) -> RopeScaling {
        if let divisors = try floats("rope_freqs.weight") { return .divisors(divisors) }
        switch try string("rope.scaling.type") ?? "none" {
        // LongRoPE's divisors are tensors, which the family reads.
        case "none", "longrope": return .none
        case "linear": return .linear(factor: try scalingFactor(of: "linear"))
        case "yarn":
            var yarn = YarnScaling(
                factor: try scalingFactor(of: "yarn"),
                original: try optionalSize("rope.scaling.original_context_length") ?? contextLength)
            yarn.amplitude *= try optionalNumber("rope.scaling.attn_factor") ?? 1
            yarn.betaFast = try optionalNumber("rope.scaling.yarn_beta_fast") ?? yarn.betaFast
            yarn.betaSlow = try optionalNumber("rope.scaling.yarn_beta_slow") ?? yarn.betaSlow
            return .yarn(yarn)
        case let kind:
            throw FormatError(
                .unsupported, file: file.path,
                "rope scaling is '\(kind)', supported are none, linear, yarn and longrope")
        }
    }

    private func scalingFactor(of kind: String) throws(FormatError) -> Double {
        guard let factor = try optionalNumber("rope.scaling.factor") else {
            throw error(
                .missing, "rope.scaling.factor", "is missing, and '\(kind)' scaling wants it; convert the model again")
        }
        return factor
    }

    /// LongRoPE's divisors and constants; nil for a model that has none.
    func longRope(_ facts: ModelFacts) throws(FormatError) -> RopeScaling? {
        guard let short = try floats("rope_factors_short.weight"), let long = try floats("rope_factors_long.weight")
        else { return nil }
        let original = try optionalSize("rope.scaling.original_context_length") ?? facts.contextLength
        let factor = Double(facts.contextLength) / Double(original)
        return .long(
            LongRopeScaling(
                short: short.map(Double.init), long: long.map(Double.init), original: original,
                amplitude: try optionalNumber("rope.scaling.attn_factor")
                    ?? LongRopeScaling.amplitude(factor, original: original)))
    }

    /// Tokens that end a generation: the ids that the file names, and control tokens with the texts that llama.cpp
    /// takes for ends too, since a chat model's file names only one of its several.
    fileprivate func endTokens() throws(FormatError) -> [Int32] {
        var result: [Int32] = []
        for key in ["eos_token_id", "eot_token_id", "eom_token_id"] {
            if let token = try token(key) { result.append(token) }
        }
        let texts: Set = [
            "<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", "</s>", "<|end|>",
            "<end_of_turn>",
        ]
        let control = 3
        if let tokens = file.metadata["tokenizer.ggml.tokens"]?.texts,
            let types = file.metadata["tokenizer.ggml.token_type"]?.ints
        {
            for (id, type) in zip(tokens.indices, types) where type == control && texts.contains(tokens[id]) {
                result.append(Int32(id))
            }
        }
        var seen: Set<Int32> = []
        return result.filter { seen.insert($0).inserted }
    }
}
