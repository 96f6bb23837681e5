import ApusFormats
import ApusModel
import ApusTestModels
import ApusTestSupport
import ApusText
import Foundation
import Testing

@Suite struct CheckpointTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func open(_ gguf: TinyGGUF) throws -> Checkpoint {
        try Checkpoint(path: try folder.write(gguf.builder.data(), as: "model.gguf"))
    }

    @Test(arguments: ["tiny_llama", "tiny_llama_tied", "tiny_qwen2", "tiny_qwen2_untied", "bnb_tiny_llama"])
    func opensFolders(model: String) throws {
        let checkpoint = try Checkpoint(path: Fixture.url(model).path())
        #expect(checkpoint.contains(.head) == !checkpoint.configuration.tiesEmbeddings)
        #expect(!checkpoint.contains(.norm(.beforeAttention, layer: 2)))
        for tensor in checkpoint.configuration.tensors {
            #expect(try checkpoint.shape(tensor.role) == tensor.shape)
            #expect(try checkpoint.floats(tensor.role).count == tensor.shape.reduce(1, *))
            checkpoint.finish(tensor.role)
        }
    }

    @Test(arguments: [("tiny_llama", "llama"), ("tiny_llama_tied", "llama"), ("tiny_qwen2_untied", "qwen2")])
    func ggufReadsAsHuggingFace(model: String, architecture: String) throws {
        let folder = try Checkpoint(path: Fixture.url(model).path())
        let gguf = try open(TinyGGUF(converting: model, architecture: architecture))
        #expect(gguf.configuration.tiesEmbeddings == folder.configuration.tiesEmbeddings)
        #expect(gguf.configuration.headSize == 16 && gguf.configuration.endTokens == [2])
        for (name, tensor) in folder.configuration.namedTensors {
            #expect(try gguf.floats(tensor.role) == folder.floats(tensor.role), "\(name)")
            guard tensor.shape.count == 2 else { continue }
            let rows = 3..<21
            #expect(try gguf.floats(tensor.role, rows: rows) == folder.floats(tensor.role, rows: rows), "\(name)")
        }
    }

    @Test func quantisedBiasesAreReordered() throws {
        // A llama file with biases on q, k and v, as some converted models have.
        let gguf = try open(TinyGGUF(converting: "tiny_qwen2_untied", architecture: "llama"))
        let folder = try Checkpoint(path: Fixture.url("tiny_qwen2_untied").path())
        for module in [LinearModule.query, .key, .value] {
            let bias = TensorRole.bias(module, layer: 1)
            #expect(try gguf.floats(bias) == folder.floats(bias))
        }
    }

    @Test func ropeFrequenciesOfTheFileAreDivisors() throws {
        var gguf = try TinyGGUF(converting: "tiny_llama")
        let divisors: [Float] = [1, 1.5, 2, 3, 8, 8, 8, 8]
        gguf.builder.append(
            "rope_freqs.weight", shape: [8], type: 0,
            bytes: divisors.flatMap { value in withUnsafeBytes(of: value.bitPattern.littleEndian) { [UInt8]($0) } }
        )
        #expect(try open(gguf).configuration.rotaryEmbeddings[0].scaling == .divisors(divisors))
        gguf.builder.tensors[gguf.builder.tensors.count - 1].dimensions = [4]
        expectError(.malformed, "rope_freqs.weight") { try open(gguf) }
    }

    @Test func endTokensOfTheVocabulary() throws {
        var gguf = try TinyGGUF(converting: "tiny_llama")
        var tokens = (0..<256).map { "t\($0)" }
        tokens[7] = "<|endoftext|>"
        tokens[8] = "<|im_end|>"
        var types = [Int32](repeating: 1, count: 256)
        types[7] = 3
        gguf.builder.pairs += [
            ("tokenizer.ggml.tokens", .strings(tokens)), ("tokenizer.ggml.token_type", .int32s(types)),
            ("tokenizer.ggml.eot_token_id", .uint32(9)),
        ]
        // A token with the text of an end but not of the control type is ordinary text.
        #expect(try open(gguf).configuration.endTokens == [2, 9, 7])
    }

    @Test func quantisedWeightsAreOffered() throws {
        let checkpoint = try Checkpoint(path: Fixture.url("bnb_tiny_llama").path())
        let role = TensorRole.weight(.down, layer: 1)
        let quantized = try #require(try checkpoint.quantized(role))
        #expect(quantized.shape == [64, 128] && quantized.codes.count == 4096 && quantized.absmax.count == 128)
        #expect(try checkpoint.quantized(.head) == nil)
        let golden = try SafetensorsFile(path: Fixture.url("bnb_tiny_llama/golden.safetensors").path())
        #expect(try checkpoint.floats(role) == golden.readFloats("dequant.model.layers.1.mlp.down_proj"))
    }

    private func expectError(_ code: FormatError.Code, _ texts: String..., body: () throws -> some Any) {
        let error = #expect(throws: FormatError.self) { _ = try body() }
        #expect(error?.code == code, "\(String(describing: error))")
        for text in texts { #expect(error?.description.contains(text) == true, "\(String(describing: error))") }
    }

    /// A copy of a fixture folder with one tensor changed, removed (nil) or added.
    private func modified(_ name: String, _ tensor: SafetensorsWriter.Tensor?) throws -> String {
        let source = try SafetensorsFile(path: Fixture.url("tiny_llama/model.safetensors").path())
        var writer = SafetensorsWriter()
        for entry in source.entries.values where entry.name != name {
            writer.append(entry.name, shape: entry.shape, .raw(entry.type, try source.readBytes(entry.name)))
        }
        if let tensor { writer.tensors.append(tensor) }
        try writer.write(to: folder.url.appending(path: "model.safetensors"))
        _ = try folder.write(Fixture.data("tiny_llama/config.json"), as: "config.json")
        return folder.url.path()
    }

    @Test("Bad inputs 11 and 12: a tensor of another shape than config.json says, missing, or one too many")
    func disagreementsNameTheTensor() throws {
        let name = "model.layers.1.self_attn.k_proj.weight"
        let zeros = [Float](repeating: 0, count: 64 * 64)
        var path = try modified(name, .init(name: name, shape: [64, 64], elements: .f32(zeros)))
        expectError(.mismatch, name, "[32, 64]", "[64, 64]") { try Checkpoint(path: path) }
        path = try modified(name, nil)
        expectError(.missing, name) { try Checkpoint(path: path) }
        // Codes of a quantisation whose scales are elsewhere would be read as numbers.
        for type in [ElementType.i8, .u8, .i32] {
            let bytes = [UInt8](repeating: 1, count: 32 * 64 * type.blockBytes)
            path = try modified(name, .init(name: name, shape: [32, 64], elements: .raw(type, bytes)))
            expectError(.unsupported, name, type.rawValue, "take the original model") { try Checkpoint(path: path) }
        }
        let surplus = "model.layers.0.self_attn.q_norm.weight"
        path = try modified(surplus, .init(name: surplus, shape: [16], elements: .f32([Float](zeros.prefix(16)))))
        expectError(.unsupported, surplus) { try Checkpoint(path: path) }
    }

    @Test(
        "Bad input 13: weights that are NaN or infinite are counted and refused",
        arguments: [Float.nan, .infinity, -.infinity])
    func damagedWeightsAreRefused(value: Float) throws {
        let name = "model.norm.weight"
        var values = [Float](repeating: 1, count: 64)
        values[63] = value
        let path = try modified(name, .init(name: name, shape: [64], elements: .f32(values)))
        let checkpoint = try Checkpoint(path: path)
        expectError(.malformed, name, "1 values") { try checkpoint.floats(.finalNorm) }
    }

    @Test func tokenizerOfTheFile() throws {
        var gguf = try TinyGGUF(converting: "tiny_llama")
        expectError(.missing, "tokenizer.ggml.tokens") { try open(gguf).makeTokenizer() }
        var tokens = (0..<256).map { "<unused\($0)>" }
        tokens.replaceSubrange(0..<5, with: ["a", "b", "ab", "<s>", "</s>"])
        gguf.builder.pairs += [
            ("tokenizer.ggml.model", .string("gpt2")), ("tokenizer.ggml.pre", .string("gpt-2")),
            ("tokenizer.ggml.tokens", .strings(tokens)), ("tokenizer.ggml.merges", .strings(["a b"])),
            ("tokenizer.chat_template", .string("{{ messages }}")),
        ]
        let checkpoint = try open(gguf)
        #expect(checkpoint.chatTemplate == "{{ messages }}")
        let tokenizer = try checkpoint.makeTokenizer()
        #expect(tokenizer.encode("aba") == [2, 0])
        #expect(tokenizer.endToken == 2 && tokenizer.bosToken == 1)
    }

    @Test(arguments: [
        ("chat_template.jinja", "one", "one"), ("tokenizer_config.json", #"{"chat_template":"two"}"#, "two"),
        (
            "tokenizer_config.json",
            #"{"chat_template":[{"name":"tools","template":"x"},{"name":"default","template":"three"}]}"#, "three"
        ),
        ("tokenizer_config.json", "{}", nil),
    ])
    func chatTemplateOfAFolder(file: String, text: String, template: String?) throws {
        let path = try modified("", nil)
        _ = try folder.write(Data(text.utf8), as: file)
        #expect(try Checkpoint(path: path).chatTemplate == template)
    }

    @Test("Bad input 12: missing files are named")
    func missingFilesAreNamed() throws {
        expectError(.unreadable, "config.json") { try Checkpoint(path: folder.url.path()) }
        _ = try folder.write(Fixture.data("tiny_llama/config.json"), as: "config.json")
        expectError(.missing, "model.safetensors") { try Checkpoint(path: folder.url.path()) }
        expectError(.unreadable, "absent.gguf") { try Checkpoint(path: folder.url.path() + "/absent.gguf") }
    }

    @Test func wrongGGUFMetadataIsRefused() throws {
        var gguf = try TinyGGUF(converting: "tiny_llama")
        func replacing(_ key: String, _ value: GGUFBuilder.Value?) -> TinyGGUF {
            var copy = gguf
            copy.builder.pairs.removeAll { $0.0 == key }
            if let value { copy.builder.pairs.append((key, value)) }
            return copy
        }
        expectError(.unsupported, "'gpt2'") { try open(replacing("general.architecture", .string("gpt2"))) }
        expectError(.missing, "llama.block_count") { try open(replacing("llama.block_count", nil)) }
        expectError(.malformed, "head_count") { try open(replacing("llama.attention.head_count", .uint32(0))) }
        expectError(.malformed, "wanted a whole number") {
            try open(replacing("llama.block_count", .string("two")))
        }
        expectError(.mismatch, "token_embd.weight") { try open(replacing("llama.vocab_size", .uint32(300))) }
        expectError(.unsupported, "blk.1") { try open(replacing("llama.block_count", .uint32(1))) }
        expectError(.malformed, "one of 3 parts") { try open(replacing("split.count", .uint32(3))) }
        gguf.builder.pairs.append(("llama.rope.scaling.type", .string("spiral")))
        expectError(.unsupported, "spiral") { try open(gguf) }
    }
}
