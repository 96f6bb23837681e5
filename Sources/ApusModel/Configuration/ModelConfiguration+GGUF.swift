package import ApusFormats

extension ModelConfiguration {
    /// Reads the metadata of a GGUF file.
    ///
    /// - Throws: `FormatError`: `unsupported` for another architecture, `missing` or `malformed` for bad metadata.
    package init(gguf file: GGUFFile) throws(FormatError) {
        let metadata = GGUFMetadata(file: file)
        let name = try metadata.string("general.architecture")
        guard let architecture = Architecture(rawValue: name) else {
            let known = Architecture.allCases.map(\.rawValue).joined(separator: ", ")
            throw FormatError(
                .unsupported, file: file.path, "general.architecture is '\(name)', supported are \(known)")
        }
        let hiddenSize = try metadata.int("\(name).embedding_length")
        let headCount = try metadata.int("\(name).attention.head_count")
        guard headCount > 0 else {
            throw FormatError(
                .malformed, file: file.path, "\(name).attention.head_count is \(headCount), wanted 1 or more")
        }
        let headSize = try metadata.optionalInt("\(name).attention.key_length") ?? hiddenSize / headCount
        try metadata.checkHeads(architecture: name, hiddenSize: hiddenSize, headCount: headCount, headSize: headSize)
        self.init(
            architecture: architecture, hiddenSize: hiddenSize,
            intermediateSize: try metadata.int("\(name).feed_forward_length"),
            layerCount: try metadata.int("\(name).block_count"), headCount: headCount,
            keyValueHeadCount: try metadata.optionalInt("\(name).attention.head_count_kv") ?? headCount,
            headSize: headSize, vocabularySize: try metadata.vocabularySize(architecture: name),
            contextLength: try metadata.int("\(name).context_length"),
            normEpsilon: Float(try metadata.float("\(name).attention.layer_norm_rms_epsilon")),
            ropeTheta: try metadata.optionalFloat("\(name).rope.freq_base") ?? 10_000,
            ropeScaling: try metadata.ropeScaling(architecture: name),
            attentionBias: architecture == .qwen2 || file.entries["blk.0.attn_q.bias"] != nil,
            tiesEmbeddings: file.entries["output.weight"] == nil,
            bosToken: try metadata.optionalToken("tokenizer.ggml.bos_token_id"), endTokens: try metadata.endTokens()
        )
        let head = file.entries["output.weight"] ?? file.entries["token_embd.weight"]
        hasHeadIn8Bits = [.q8_0, .q5_0, .q4_0].contains(head?.type)
        try validate(file: file.path)
    }
}

/// Typed access to the metadata with errors that name the key.
private struct GGUFMetadata {
    let file: GGUFFile

    func string(_ key: String) throws(FormatError) -> String {
        try required(key) { (key) throws(FormatError) in try optional(key, "text", \.string) }
    }

    func int(_ key: String) throws(FormatError) -> Int { try required(key, optionalInt) }

    func float(_ key: String) throws(FormatError) -> Double { try required(key, optionalFloat) }

    func optionalFloat(_ key: String) throws(FormatError) -> Double? { try optional(key, "a number", \.float) }

    /// A whole number, or an array with one value for each layer that are all the same.
    func optionalInt(_ key: String) throws(FormatError) -> Int? {
        if let values = file.metadata[key]?.ints, let first = values.first {
            guard values.allSatisfy({ $0 == first }) else {
                throw FormatError(
                    .unsupported, file: file.path, "metadata '\(key)' differs between layers, which is not supported")
            }
            return first
        }
        return try optional(key, "a whole number", \.int)
    }

    func optionalToken(_ key: String) throws(FormatError) -> Int32? {
        guard let value = try optionalInt(key) else { return nil }
        guard let token = Int32(exactly: value) else {
            throw FormatError(.malformed, file: file.path, "metadata '\(key)' is \(value), wanted a token id")
        }
        return token
    }

    func vocabularySize(architecture: String) throws(FormatError) -> Int {
        if let size = try optionalInt("\(architecture).vocab_size") { return size }
        if let tokens = file.metadata["tokenizer.ggml.tokens"]?.texts { return tokens.count }
        return try file.entry("token_embd.weight").shape.first ?? 0
    }

    func checkHeads(architecture: String, hiddenSize: Int, headCount: Int, headSize: Int) throws(FormatError) {
        if file.metadata["\(architecture).attention.key_length"] == nil, hiddenSize % headCount != 0 {
            let message = "embedding_length \(hiddenSize) does not divide by head_count \(headCount)"
            throw FormatError(.malformed, file: file.path, message)
        }
        for key in ["rope.dimension_count", "attention.value_length"] {
            if let value = try optionalInt("\(architecture).\(key)"), value != headSize {
                throw FormatError(
                    .unsupported, file: file.path,
                    "\(architecture).\(key) is \(value), wanted the head size \(headSize)")
            }
        }
    }

    func ropeScaling(architecture: String) throws(FormatError) -> RopeScaling {
        if let entry = file.entries["rope_freqs.weight"] {
            guard entry.type == .f32 else {
                throw FormatError(
                    .unsupported, file: file.path, "rope_freqs.weight is \(entry.type.rawValue), wanted F32")
            }
            return .divisors(try file.readFloats(entry.name))
        }
        let kind = try optional("\(architecture).rope.scaling.type", "text", \.string) ?? "none"
        switch kind {
        case "none": return .none
        case "linear": return .linear(factor: try float("\(architecture).rope.scaling.factor"))
        default:
            throw FormatError(.unsupported, file: file.path, "rope scaling is '\(kind)', supported are none and linear")
        }
    }

    /// Tokens that end a generation: the ids that the file names, and control tokens with the texts that llama.cpp
    /// takes for ends too, since a chat model's file names only one of its several.
    func endTokens() throws(FormatError) -> [Int32] {
        var result: [Int32] = []
        for key in ["eos_token_id", "eot_token_id", "eom_token_id"] {
            if let token = try optionalToken("tokenizer.ggml.\(key)") { result.append(token) }
        }
        let texts: Set = ["<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", "</s>"]
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

    private func required<T>(
        _ key: String, _ read: (String) throws(FormatError) -> T?
    ) throws(FormatError) -> T {
        guard let value = try read(key) else {
            throw FormatError(.missing, file: file.path, "metadata '\(key)' is missing; convert the model again")
        }
        return value
    }

    private func optional<T>(
        _ key: String, _ wanted: String, _ access: (GGUFValue) -> T?
    ) throws(FormatError) -> T? {
        guard let stored = file.metadata[key] else { return nil }
        guard let value = access(stored) else {
            throw FormatError(.malformed, file: file.path, "metadata '\(key)' is \(stored), wanted \(wanted)")
        }
        return value
    }
}
