/// How a checkpoint's file names and orders what Hugging Face's names ask for.
package enum CheckpointLayout: Sendable {
    /// The same names, the same order.
    case huggingFace
    /// llama.cpp's names; for the llama architecture with the rows of q and k in another order.
    case gguf(ModelConfiguration)

    /// The name in the file of the tensor that Hugging Face calls `name`; an unknown name stays as it is.
    package func storedName(of name: String) -> String {
        guard case .gguf = self else { return name }
        if let known = Self.ggufNames[name] { return known }
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count >= 5, parts[0] == "model", parts[1] == "layers", let suffix = parts.last,
            let module = Self.ggufModules[parts[3..<parts.count - 1].joined(separator: ".")]
        else { return name }
        return "blk.\(parts[2]).\(module).\(suffix)"
    }

    /// The order of the rows, or of the elements of a bias, where the file keeps another one than Hugging Face.
    package func rowOrder(of name: String) -> InterleavedRows? {
        guard case .gguf(let configuration) = self, configuration.architecture == .llama,
            name.contains(".self_attn.q_proj.") || name.contains(".self_attn.k_proj.")
        else { return nil }
        return InterleavedRows(headSize: configuration.headSize)
    }

    private static let ggufNames = [
        "model.embed_tokens.weight": "token_embd.weight",
        "model.norm.weight": "output_norm.weight",
        "lm_head.weight": "output.weight",
    ]

    private static let ggufModules = [
        "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    ]
}

/// llama.cpp's order of q and k rows for interleaved rotary pairs.
///
/// Within a head of size `d`, the file's row `2i + j` is Hugging Face's row `j * d/2 + i`.
package struct InterleavedRows: Sendable {
    /// Values in a head.
    package let headSize: Int

    /// The row in the file that holds Hugging Face's `row`.
    package func storedRow(of row: Int) -> Int {
        let (head, inner) = row.quotientAndRemainder(dividingBy: headSize)
        let (j, i) = inner.quotientAndRemainder(dividingBy: headSize / 2)
        return head * headSize + 2 * i + j
    }

    /// Hugging Face's row that lies at `stored` in the file.
    package func row(storedAt stored: Int) -> Int {
        let (head, inner) = stored.quotientAndRemainder(dividingBy: headSize)
        let (i, j) = inner.quotientAndRemainder(dividingBy: 2)
        return head * headSize + j * headSize / 2 + i
    }
}
