import ApusModel
import ApusText

extension ModelConfiguration {
    /// The members of a config.json that transformers 4 and 5 read as this configuration.
    ///
    /// - Throws: `ExportError` for rotary divisors that are not those of Llama 3.1's rule.
    func huggingFaceMembers() throws -> [JSONValue.Member] {
        var members: [JSONValue.Member] = []
        members.set("architectures", [.string(architecture.className)])
        members.set("attention_dropout", 0.0)
        members.set("bos_token_id", bosToken.map { .integer(Int($0)) } ?? .null)
        members.set("eos_token_id", endTokens.count == 1 ? .integer(Int(endTokens[0])) : tokenList)
        members.set("head_dim", .integer(headSize))
        members.set("hidden_act", .string(activationName))
        // Gemma 2 and 3 have another key for it.
        if activationName != "silu" { members.set("hidden_activation", .string(activationName)) }
        members.set("hidden_size", .integer(hiddenSize))
        members.set("initializer_range", 0.02)
        members.set("intermediate_size", .integer(intermediateSize))
        members.set("max_position_embeddings", .integer(contextLength))
        members.set("model_type", .string(architecture.name))
        members.set("num_attention_heads", .integer(headCount))
        members.set("num_hidden_layers", .integer(layerCount))
        members.set("num_key_value_heads", .integer(keyValueHeadCount))
        members.set("rms_norm_eps", .number(Double("\(normEpsilon)") ?? Double(normEpsilon)))
        // transformers 4 reads rope_theta and rope_scaling, transformers 5 understands them too.
        members.set("rope_scaling", try ropeScalingValue())
        members.set("rope_theta", .number(rotaryEmbeddings[0].theta))
        let turned = rotaryEmbeddings[0].dimensions
        if turned != headSize { members.set("partial_rotary_factor", .number(Double(turned) / Double(headSize))) }
        if rotaryEmbeddings.count > 1 { members.set("rope_local_base_freq", .number(rotaryEmbeddings[1].theta)) }
        members.set("tie_word_embeddings", .bool(tiesEmbeddings))
        members.set("use_cache", true)
        members.set("vocab_size", .integer(vocabularySize))
        for (key, value) in architecture.configurationMembers(self) { members.set(key, value) }
        return members
    }

    private var tokenList: JSONValue {
        endTokens.isEmpty ? .null : .array(endTokens.map { .integer(Int($0)) })
    }

    private func ropeScalingValue() throws -> JSONValue {
        switch rotaryEmbeddings[0].scaling {
        case .none: return .null
        case .linear(let factor): return ["rope_type": "linear", "factor": .number(factor)]
        case .dynamic(let factor, _, _): return ["rope_type": "dynamic", "factor": .number(factor)]
        case .yarn(let yarn):
            return [
                "rope_type": "yarn", "factor": .number(yarn.factor), "attention_factor": .number(yarn.amplitude),
                "beta_fast": .number(yarn.betaFast), "beta_slow": .number(yarn.betaSlow),
                "original_max_position_embeddings": .integer(yarn.original),
            ]
        case .long(let long):
            return [
                "rope_type": "longrope", "attention_factor": .number(long.amplitude),
                "short_factor": .array(long.short.map { .number($0) }),
                "long_factor": .array(long.long.map { .number($0) }),
                "original_max_position_embeddings": .integer(long.original),
            ]
        case .llama3(let factor, let low, let high, let original):
            return Self.llama3(factor: factor, low: low, high: high, original: original)
        case .divisors(let divisors):
            // A GGUF file keeps only the rule's result. These are the constants of Llama 3.1 and 3.2.
            for factor in [8.0, 32] {
                var candidate = rotaryEmbeddings[0]
                candidate.scaling = .llama3(factor: factor, low: 1, high: 4, original: 8192)
                let matches = zip(candidate.divisors, divisors).allSatisfy { abs($0 - $1) <= 1e-3 * $0 }
                if matches { return Self.llama3(factor: factor, low: 1, high: 4, original: 8192) }
            }
            throw ExportError(
                "rope_freqs.weight holds divisors that are not Llama 3.1's or 3.2's, which config.json cannot say; "
                    + "export gguf instead, or start from the model's Hugging Face folder")
        }
    }

    private static func llama3(factor: Double, low: Double, high: Double, original: Int) -> JSONValue {
        [
            "rope_type": "llama3", "factor": .number(factor), "low_freq_factor": .number(low),
            "high_freq_factor": .number(high), "original_max_position_embeddings": .integer(original),
        ]
    }
}
