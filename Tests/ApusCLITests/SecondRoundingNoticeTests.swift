import Apus
import ApusTestSupport
import Foundation
import Testing

@testable import ApusCLI

/// What is said, once, of a file of few bits that is to be held in 4 bits.
@Suite struct SecondRoundingNoticeTests {
    private let folder: TemporaryFolder
    private let model: String

    init() throws {
        folder = try TemporaryFolder()
        model = try folder.write(Self.file().data(), as: "tiny.gguf")
    }

    private func score(_ precision: String) throws -> Program.Outcome {
        try Program.run([
            "score", "--model", model, "--precision", precision, "--raw", "--prompt", "a", "--completion", "bc",
            "--json",
        ])
    }

    @Test func itIsOneLineThatSaysWhatToChange() throws {
        let outcome = try score("nf4")
        try #require(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.errorLines.count == 1, "\(outcome.errors)")
        for part in ["apus: weights: ", "Q4_0 blocks", "second time", " % (root", "load_in_8bit: true", "MiB more"] {
            #expect(outcome.errors.contains(part), "\(part): \(outcome.errors)")
        }
        #expect(outcome.output.hasPrefix("{") && !outcome.output.contains("weights"))
    }

    @Test(arguments: ["int8", "bf16", "f32"])
    func otherPrecisionsAreQuiet(precision: String) throws {
        let outcome = try score(precision)
        #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome.errors)")
    }

    @Test func aProgramThatLoadsSeveralTimesSaysItOnce() throws {
        let outcome = try Program.run(["bench", "load", "--model", model, "--steps", "3", "--no-cache", "--json"])
        #expect(outcome.status == 0 && outcome.errorLines.count == 1, "\(outcome.errors)")
    }

    /// A llama of one layer: matrices in Q4_0, the embedding in Q8_0, and a token for each byte.
    private static func file() -> GGUFBuilder {
        var builder = GGUFBuilder()
        let tokens = (0..<256).map { byte in
            let scalar: UInt32 = (33...126).contains(byte) ? UInt32(byte) : 256 + UInt32(byte)
            return Unicode.Scalar(scalar).map { String(Character($0)) } ?? ""
        }
        builder.pairs = [
            ("general.architecture", .string("llama")), ("llama.block_count", .uint32(1)),
            ("llama.context_length", .uint32(128)), ("llama.embedding_length", .uint32(64)),
            ("llama.feed_forward_length", .uint32(128)), ("llama.attention.head_count", .uint32(4)),
            ("llama.attention.head_count_kv", .uint32(2)),
            ("llama.attention.layer_norm_rms_epsilon", .float32(1e-5)), ("llama.vocab_size", .uint32(256)),
            ("tokenizer.ggml.model", .string("gpt2")), ("tokenizer.ggml.pre", .string("smollm")),
            ("tokenizer.ggml.tokens", .strings(tokens)), ("tokenizer.ggml.eos_token_id", .uint32(0)),
        ]
        builder.append("token_embd.weight", shape: [256, 64], type: 8, bytes: blocks(512, bytes: 32))
        let shapes = [
            "attn_q": [64, 64], "attn_k": [32, 64], "attn_v": [32, 64], "attn_output": [64, 64],
            "ffn_gate": [128, 64], "ffn_up": [128, 64], "ffn_down": [64, 128],
        ]
        for (name, shape) in shapes.sorted(by: { $0.key < $1.key }) {
            let bytes = blocks(shape[0] * shape[1] / 32, bytes: 16)
            builder.append("blk.0.\(name).weight", shape: shape, type: 2, bytes: bytes)
        }
        for name in ["blk.0.attn_norm.weight", "blk.0.ffn_norm.weight", "output_norm.weight"] {
            builder.append(
                name, shape: [64], type: 0, bytes: (0..<64).flatMap { _ in [UInt8](arrayLiteral: 0, 0, 128, 63) })
        }
        return builder
    }

    /// Blocks with a scale of 2⁻⁷ and codes without a pattern.
    private static func blocks(_ count: Int, bytes: Int) -> [UInt8] {
        var state: UInt32 = 7
        return (0..<count).flatMap { _ in
            [0x00, 0x20]
                + (0..<bytes).map { _ in
                    state = state &* 1_664_525 &+ 1_013_904_223
                    return UInt8(state >> 24)
                }
        }
    }
}
