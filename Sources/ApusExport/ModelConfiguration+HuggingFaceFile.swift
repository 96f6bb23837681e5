import ApusModel
import ApusText

extension ModelConfiguration {
    /// The members of a config.json that transformers 4 and 5 read as this configuration.
    ///
    /// - Throws: `ExportError` for rotary divisors that are not those of Llama 3.1's rule.
    func huggingFaceMembers() throws -> [JSONValue.Member] {
        let isLlama = architecture == .llama
        var members: [JSONValue.Member] = []
        members.set("architectures", [.string(isLlama ? "LlamaForCausalLM" : "Qwen2ForCausalLM")])
        if isLlama { members.set("attention_bias", false) }
        members.set("attention_dropout", 0.0)
        members.set("bos_token_id", bosToken.map { .integer(Int($0)) } ?? .null)
        members.set("eos_token_id", endTokens.count == 1 ? .integer(Int(endTokens[0])) : tokenList)
        members.set("head_dim", .integer(headSize))
        members.set("hidden_act", "silu")
        members.set("hidden_size", .integer(hiddenSize))
        members.set("initializer_range", 0.02)
        members.set("intermediate_size", .integer(intermediateSize))
        members.set("max_position_embeddings", .integer(contextLength))
        if isLlama { members.set("mlp_bias", false) }
        members.set("model_type", .string(architecture.rawValue))
        members.set("num_attention_heads", .integer(headCount))
        members.set("num_hidden_layers", .integer(layerCount))
        members.set("num_key_value_heads", .integer(keyValueHeadCount))
        members.set("rms_norm_eps", .number(Double("\(normEpsilon)") ?? Double(normEpsilon)))
        // transformers 4 reads rope_theta and rope_scaling, transformers 5 understands them too.
        members.set("rope_scaling", try ropeScalingValue())
        members.set("rope_theta", .number(ropeTheta))
        members.set("tie_word_embeddings", .bool(tiesEmbeddings))
        members.set("use_cache", true)
        members.set("vocab_size", .integer(vocabularySize))
        return members
    }

    private var tokenList: JSONValue {
        endTokens.isEmpty ? .null : .array(endTokens.map { .integer(Int($0)) })
    }

    private func ropeScalingValue() throws -> JSONValue {
        switch ropeScaling {
        case .none: return .null
        case .linear(let factor): return ["rope_type": "linear", "factor": .number(factor)]
        case .llama3(let factor, let low, let high, let original):
            return Self.llama3(factor: factor, low: low, high: high, original: original)
        case .divisors(let divisors):
            // A GGUF file keeps only the rule's result. These are the constants of Llama 3.1 and 3.2.
            for factor in [8.0, 32] {
                var candidate = self
                candidate.ropeScaling = .llama3(factor: factor, low: 1, high: 4, original: 8192)
                let matches = zip(candidate.ropeDivisors(), divisors).allSatisfy { abs($0 - $1) <= 1e-3 * $0 }
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
