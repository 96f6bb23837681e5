extension ModelConfiguration {
    /// Every tensor that the model needs with its shape, under Hugging Face names; matrices are `[out, in]`.
    package var tensorShapes: [(name: String, shape: [Int])] {
        var result: [(name: String, shape: [Int])] = [("model.embed_tokens.weight", [vocabularySize, hiddenSize])]
        for layer in 0..<layerCount {
            result += layerTensorShapes.map { ("model.layers.\(layer).\($0.name)", $0.shape) }
        }
        result.append(("model.norm.weight", [hiddenSize]))
        if !tiesEmbeddings { result.append(("lm_head.weight", [vocabularySize, hiddenSize])) }
        return result
    }

    private var layerTensorShapes: [(name: String, shape: [Int])] {
        let queries = headCount * headSize
        let keys = keyValueHeadCount * headSize
        var result: [(name: String, shape: [Int])] = [
            ("input_layernorm.weight", [hiddenSize]),
            ("self_attn.q_proj.weight", [queries, hiddenSize]),
            ("self_attn.k_proj.weight", [keys, hiddenSize]),
            ("self_attn.v_proj.weight", [keys, hiddenSize]),
            ("self_attn.o_proj.weight", [hiddenSize, queries]),
            ("post_attention_layernorm.weight", [hiddenSize]),
            ("mlp.gate_proj.weight", [intermediateSize, hiddenSize]),
            ("mlp.up_proj.weight", [intermediateSize, hiddenSize]),
            ("mlp.down_proj.weight", [hiddenSize, intermediateSize]),
        ]
        if attentionBias {
            result += [
                ("self_attn.q_proj.bias", [queries]), ("self_attn.k_proj.bias", [keys]),
                ("self_attn.v_proj.bias", [keys]),
            ]
        }
        return result
    }
}

extension ModelConfiguration {
    /// All numbers of a model of this shape.
    package var parameterCount: Int { tensorShapes.reduce(0) { $0 + $1.shape.reduce(1, *) } }
}
