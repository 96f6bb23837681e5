import ApusFormats
import ApusTestSupport
import Foundation

/// Turns a Hugging Face fixture into the GGUF file that llama.cpp's converter would write.
struct TinyGGUF {
    var builder = GGUFBuilder()

    /// Converts `Tests/Fixtures/<model>`; matrices keep their BF16 bytes.
    init(converting model: String, architecture: String = "llama") throws {
        let source = try SafetensorsFile(path: Fixture.url("\(model)/model.safetensors").path())
        addMetadata(architecture: architecture)
        for name in source.entries.keys.sorted() {
            guard let entry = source.entries[name] else { continue }
            var stored = try source.readBytes(name)
            if architecture == "llama", name.contains("q_proj") || name.contains("k_proj") {
                stored = Self.interleaved(stored, rowBytes: stored.count / entry.shape[0], headSize: 16)
            }
            builder.append(Self.storedName(name), shape: entry.shape, type: 30, bytes: stored)
        }
    }

    /// The same with its matrices, or those of them whose names hold a text, in blocks of 32.
    ///
    /// - Parameter number: ggml's of the type.
    func inBlocks(of type: ElementType, number: UInt32, named part: String = "") throws -> TinyGGUF {
        let folder = try TemporaryFolder()
        let source = try GGUFFile(path: folder.write(builder.data(), as: "source.gguf"))
        var result = self
        for (index, tensor) in builder.tensors.enumerated() {
            guard tensor.dimensions.count > 1, part.isEmpty || tensor.name.contains(part) else { continue }
            result.builder.tensors[index].type = number
            result.builder.tensors[index].bytes = type.encode(try source.readFloats(tensor.name))
        }
        return result
    }

    private mutating func addMetadata(architecture a: String) {
        builder.pairs = [
            ("general.architecture", .string(a)), ("\(a).block_count", .uint32(2)),
            ("\(a).context_length", .uint32(128)), ("\(a).embedding_length", .uint32(64)),
            ("\(a).feed_forward_length", .uint32(128)), ("\(a).attention.head_count", .uint32(4)),
            ("\(a).attention.head_count_kv", .uint32(2)), ("\(a).attention.layer_norm_rms_epsilon", .float32(1e-5)),
            ("\(a).rope.freq_base", .float32(10_000)), ("\(a).vocab_size", .uint32(256)),
            ("tokenizer.ggml.bos_token_id", .uint32(1)), ("tokenizer.ggml.eos_token_id", .uint32(2)),
        ]
    }

    /// The converter's order: within a head of `d` rows, row `2i + j` is Hugging Face's `j * d/2 + i`.
    private static func interleaved(_ stored: [UInt8], rowBytes: Int, headSize: Int) -> [UInt8] {
        let rows = stored.count / rowBytes
        return (0..<rows).flatMap { row in
            let inner = row % headSize
            let source = row - inner + inner % 2 * (headSize / 2) + inner / 2
            return stored[source * rowBytes..<(source + 1) * rowBytes]
        }
    }

    private static func storedName(_ name: String) -> String {
        let replacements = [
            ("model.embed_tokens", "token_embd"), ("model.norm", "output_norm"), ("lm_head", "output"),
            ("model.layers.", "blk."), ("self_attn.q_proj", "attn_q"), ("self_attn.k_proj", "attn_k"),
            ("self_attn.v_proj", "attn_v"), ("self_attn.o_proj", "attn_output"), ("mlp.gate_proj", "ffn_gate"),
            ("mlp.up_proj", "ffn_up"), ("mlp.down_proj", "ffn_down"), ("input_layernorm", "attn_norm"),
            ("post_attention_layernorm", "ffn_norm"),
        ]
        return replacements.reduce(name) { $0.replacingOccurrences(of: $1.0, with: $1.1) }
    }
}
