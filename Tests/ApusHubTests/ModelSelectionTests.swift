import ApusFormats
import ApusHub
import Foundation
import Testing

@Suite("What of a repository is a model")
struct ModelSelectionTests {
    /// A server with one model whose files are small texts.
    private func server(_ files: [String: String]) async throws -> HubServer {
        let server = try HubServer()
        let listed = files.map { JSONValue.Member(key: $0.key, value: ["text": .string($0.value)]) }
        try await server.set(["repositories": ["models/org/m": ["files": .object(listed)]]])
        return server
    }

    private func chosen(_ files: [String: String], _ name: String = "org/m") async throws -> [String] {
        let server = try await server(files)
        let model = try await server.hub().model(RepositoryName(name))
        #expect(FileManager.default.fileExists(atPath: model.path))
        return withExtendedLifetime(server) { model.snapshot.files.map(\.path).sorted() }
    }

    private func names(_ paths: [String]) -> [String: String] {
        Dictionary(uniqueKeysWithValues: paths.map { ($0, $0) })
    }

    @Test("Configuration, tokenizer and one form of the weights")
    func folder() async throws {
        let wanted = [
            "additional_chat_templates/tool_use.jinja", "chat_template.jinja", "config.json", "generation_config.json",
            "merges.txt", "model.safetensors", "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json",
            "vocab.json",
        ]
        let others = [
            ".gitattributes", "README.md", "pytorch_model.bin", "onnx/model.onnx", "model.fp16.safetensors",
            "original/config.json",
            "consolidated.safetensors", "runs/events.out", "m-Q4_K_M.gguf",
        ]
        #expect(try await chosen(names(wanted + others)) == wanted)
    }

    @Test("Shards are those that the index names")
    func shards() async throws {
        var files = names([
            "config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
            "model.fp16-00001-of-00002.safetensors", "model-00001-of-00003.safetensors",
        ])
        let index = "model.safetensors.index.json"
        files[index] =
            "{\"weight_map\": {\"a\": \"model-00001-of-00002.safetensors\", \"b\": \"model-00002-of-00002.safetensors\"}}"
        #expect(
            try await chosen(files) == [
                "config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", index,
            ])
        for (text, code) in [
            ("{}", HubError.Code.badAnswer), ("{\"weight_map\": {\"a\": \"../../x.safetensors\"}}", .missingFile),
            ("{\"weight_map\": {\"a\": \"model-00001-of-00009.safetensors\"}}", .missingFile),
            ("{\"weight_map\": {\"a\": \"config.json\"}}", .missingFile),
        ] {
            files[index] = text
            let error = try await HubError.of { _ = try await chosen(files) }
            #expect(error.code == code, "\(error)")
        }
    }

    @Test("Adapters")
    func adapters() async throws {
        let files = ["README.md", "adapter_config.json", "adapter_model.safetensors", "tokenizer.json"]
        #expect(try await chosen(names(files)) == Array(files.dropFirst()))
        let error = try await HubError.of { _ = try await chosen(names(["adapter_model.safetensors"])) }
        #expect(error.code == .unsupported && error.description.contains("no adapter_config.json"))
    }

    @Test("One GGUF file by its quantization, with all of its parts")
    func gguf() async throws {
        let all = names([
            "README.md", "Tiny-F16.gguf", "Tiny-Q4_K_M.gguf", "Tiny-Q4_K_S.gguf", "mmproj-Tiny-f16.gguf",
            "Q8_0/Tiny-Q8_0-00001-of-00002.gguf", "Q8_0/Tiny-Q8_0-00002-of-00002.gguf",
        ])
        #expect(try await chosen(all, "org/m:Q4_K_M") == ["Tiny-Q4_K_M.gguf"])
        #expect(try await chosen(all, "org/m:q4_k_s") == ["Tiny-Q4_K_S.gguf"])
        #expect(try await chosen(all, "org/m:Tiny-F16.gguf") == ["Tiny-F16.gguf"])
        let parts = ["Q8_0/Tiny-Q8_0-00001-of-00002.gguf", "Q8_0/Tiny-Q8_0-00002-of-00002.gguf"]
        #expect(try await chosen(all, "org/m:Q8_0") == parts)
        #expect(try await chosen(names(["Tiny-Q4_0.gguf", "README.md"])) == ["Tiny-Q4_0.gguf"])
        let listed =
            "write one after a colon, such as org/m:Q4_K_M; there are Q8_0/Tiny-Q8_0, Tiny-F16, Tiny-Q4_K_M, Tiny-Q4_K_S"
        for (name, beginning) in [
            ("org/m", "model 'org/m' has several GGUF files; "), ("org/m:Q4", "model 'org/m' has no GGUF file 'Q4'; "),
            ("org/m:Tiny", "model 'org/m' has several GGUF files 'Tiny'; "),
        ] {
            let error = try await HubError.of { _ = try await chosen(all, name) }
            #expect(error == HubError(.unsupported, beginning + listed))
        }
        let half = try await HubError.of { _ = try await chosen(names([parts[0]])) }
        #expect(half == HubError(.missingFile, "model 'org/m' has 1 of the 2 parts of 'Q8_0/Tiny-Q8_0'"))
        let server = try await server(all)
        let model = try await server.hub().model(RepositoryName("org/m:Q8_0"))
        #expect(model.path.hasSuffix("/" + parts[0]))
    }

    @Test("Weights that can run code, and repositories without any, are refused with a sentence")
    func refused() async throws {
        let pickled = try await HubError.of { _ = try await chosen(names(["config.json", "pytorch_model.bin"])) }
        #expect(
            pickled.code == .unsupported
                && pickled.description.contains("'pytorch_model.bin', a format that can run code"))
        let none = try await HubError.of { _ = try await chosen(names(["config.json"])) }
        #expect(none.code == .unsupported)
        let unset = try await HubError.of { _ = try await chosen(names(["model.safetensors"])) }
        #expect(unset.description.contains("has weights but no config.json"))
    }
}
