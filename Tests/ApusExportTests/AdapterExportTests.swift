import ApusExport
import ApusFormats
import ApusModel
import ApusTestModels
import ApusTestSupport
import Foundation
import Testing

/// Adapters and places that an export refuses, and the adapter it writes.
@Suite struct AdapterExportTests {
    private let model: SmallModel

    init() throws { model = try SmallModel() }

    private var weights: URL { URL(filePath: model.adapter + "/adapter_model.safetensors") }

    private func refusal(_ adapter: String? = nil) -> String {
        do {
            _ = try ExportedModel(model: model.path, adapter: adapter ?? model.adapter)
                .preparedAdapter(to: model.output("out"))
            return "accepted"
        } catch {
            return "\(error)"
        }
    }

    @Test func theAdapterIsPEFTs() throws {
        let exported = try ExportedModel(model: model.path, adapter: model.adapter)
        let (rules, write) = try exported.preparedAdapter(to: model.output("out"))
        #expect(rules.maximumRank == 8)
        try write()
        for name in ["adapter_config.json", "adapter_model.safetensors"] {
            let files = [model.adapter, model.output("out")].map { URL(filePath: $0).appending(path: name) }
            #expect(try Data(contentsOf: files[0]) == Data(contentsOf: files[1]), "\(name)")
        }
        #expect(FileManager.default.fileExists(atPath: model.output("out/tokenizer.json")))
    }

    @Test func theAdaptersNameLeavesTheTensorsNames() throws {
        let source = try SafetensorsFile(path: weights.path)
        var writer = SafetensorsWriter()
        for entry in source.entries.values {
            let name = entry.name.dropLast(".weight".count) + ".default.weight"
            writer.append(String(name), shape: entry.shape, .f32(try source.readFloats(entry.name)))
        }
        try writer.write(to: weights)
        try ExportedModel(model: model.path, adapter: model.adapter).preparedAdapter(to: model.output("out")).write()
        let written = try SafetensorsFile(path: model.output("out/adapter_model.safetensors"))
        #expect(written.entries.keys == source.entries.keys)
    }

    @Test("Bad input 44: adapters that vLLM refuses")
    func adaptersThatVLLMRefuses() throws {
        let faults: [(String, (inout LoRAConfigurationFile) -> Void)] = [
            ("use_dora is true", { $0.usesDoRA = true }), ("bias is 'all'", { $0.bias = "all" }),
            ("modules_to_save is [\"lm_head\"]", { $0.modulesToSave = ["lm_head"] }),
            ("alpha_pattern is set", { $0.alphaPattern = [.init(pattern: "q_proj", value: 2)] }),
            ("wanted shape [2, 256]", { $0.rankPattern = [.init(pattern: "q_proj", value: 2)] }),
            ("wanted shape [1024, 256]", { $0.rank = 1024 }), ("peft_type is 'IA3'", { $0.peftType = "IA3" }),
        ]
        let sound = try LoRAConfigurationFile(path: model.adapter + "/adapter_config.json")
        for (message, change) in faults {
            var file = sound
            change(&file)
            try model.write(file)
            #expect(refusal().contains(message), "\(refusal())")
        }
        #expect(!FileManager.default.fileExists(atPath: model.output("out")))
    }

    @Test(
        "Bad input 44: tensors that are no LoRA of a linear layer",
        arguments: [
            ("model.embed_tokens.lora_embedding_A", "has only one of lora_A and lora_B"),
            ("model.norm.lora_A.weight", "is no LoRA matrix of a linear layer"),
            ("model.layers.0.self_attn.q_proj.lora_magnitude_vector.weight", "is no LoRA matrix of a linear layer"),
            ("model.layers.7.self_attn.q_proj.lora_A.weight", "is no LoRA matrix of a linear layer"),
            ("model.layers.0.mlp.up_proj.lora_A.weight", "has only one of lora_A and lora_B"),
        ])
    func tensorsThatAreNoLoRA(name: String, message: String) throws {
        let source = try SafetensorsFile(path: weights.path)
        var writer = SafetensorsWriter()
        for entry in source.entries.values {
            writer.append(entry.name, shape: entry.shape, .f32(try source.readFloats(entry.name)))
        }
        writer.append("base_model.model." + name, shape: [4, 256], .f32([Float](repeating: 0, count: 1024)))
        try writer.write(to: weights)
        #expect(refusal().contains(message), "\(refusal())")
    }

    /// Writes the adapter with another tensor beside its matrices.
    private func addTensor(_ name: String, shape: [Int], _ values: [Float]) throws {
        let source = try SafetensorsFile(path: weights.path)
        var writer = SafetensorsWriter()
        for entry in source.entries.values {
            writer.append(entry.name, shape: entry.shape, .f32(try source.readFloats(entry.name)))
        }
        writer.append("base_model.model." + name, shape: shape, .f32(values))
        try writer.write(to: weights)
    }

    @Test(
        "A saved embedding is passed over when it is the model's, and named when it is not", arguments: [false, true])
    func wholeWeights(isTrained: Bool) throws {
        let name = "model.embed_tokens.weight"
        let file = try SafetensorsFile(path: model.path + "/model.safetensors")
        var values = try file.readFloats(name)
        if isTrained { values[700] += 0.5 }
        try addTensor(name, shape: try file.entry(name).shape, values)
        if isTrained {
            #expect(refusal().contains("'base_model.model.\(name)' is a whole weight that differs"), "\(refusal())")
        } else {
            let exported = try ExportedModel(model: model.path, adapter: model.adapter)
            try exported.preparedAdapter(to: model.output("out")).write()
            let written = try SafetensorsFile(path: model.output("out/adapter_model.safetensors"))
            #expect(written.entries["base_model.model." + name] == nil && !written.entries.isEmpty)
            let loaded = try LoRAAdapter(
                directory: URL(filePath: model.adapter),
                for: LanguageModel(path: model.path, precision: .bf16, backend: TestDevice.backend()))
            #expect(loaded.remarks.count == 1 && loaded.remarks[0].contains(name))
        }
    }

    @Test("What no export writes is not replaced by one, and is named")
    func foreignFilesStay() throws {
        let exported = try ExportedModel(model: model.path, adapter: model.adapter)
        let place = model.output("out")
        try exported.preparedAdapter(to: place).write()
        try exported.preparedAdapter(to: place, overwrites: true).write()
        try Data("mine".utf8).write(to: URL(filePath: place).appending(path: "notes.txt"))
        #expect { try exported.preparedAdapter(to: place, overwrites: true) } throws: {
            "\($0)".contains("holds what no export writes (notes.txt)")
        }
        #expect(FileManager.default.fileExists(atPath: place + "/notes.txt"))
    }

    @Test func nonFiniteMatricesAreRefused() throws {
        let source = try SafetensorsFile(path: weights.path)
        var writer = SafetensorsWriter()
        for entry in source.entries.values {
            var values = try source.readFloats(entry.name)
            values[0] = .nan
            writer.append(entry.name, shape: entry.shape, .f32(values))
        }
        try writer.write(to: weights)
        let write = try ExportedModel(model: model.path, adapter: model.adapter).preparedMerge(to: model.output("out"))
        #expect { try write(nil) } throws: { "\($0)".contains("holds NaN or infinite values") }
    }

    @Test func anAdapterIsNeededForItsFormats() throws {
        let exported = try ExportedModel(model: model.path)
        #expect { try exported.preparedAdapter(to: model.output("out")) } throws: { "\($0)".hasPrefix("--adapter: ") }
        #expect { try exported.preparedGGUFAdapter(to: model.output("a.gguf"), name: "x") } throws: {
            "\($0)".hasPrefix("--adapter: ")
        }
    }

    @Test("Bad input 43: what is read is never replaced, what is there only on demand")
    func placesThatAreTaken() throws {
        let exported = try ExportedModel(model: model.path, adapter: model.adapter)
        for place in [model.path, model.adapter, model.folder.url.path] {
            #expect { try exported.preparedMerge(to: place, overwrites: true) } throws: {
                "\($0)".contains("holds what is exported")
            }
        }
        let file = try model.folder.write(Data("old".utf8), as: "old.gguf")
        #expect { try exported.preparedGGUF(to: file, type: .f16, name: "x") } throws: {
            "\($0)".contains("--overwrite")
        }
        try exported.preparedGGUF(to: file, type: .f16, name: "x", overwrites: true)(nil)
        let mapped = try GGUFFile(path: file)
        let before = try mapped.readBytes("output.weight")
        try exported.preparedGGUF(to: file, type: .q8_0, name: "x", overwrites: true)(nil)
        #expect(try mapped.readBytes("output.weight") == before)
        #expect(try GGUFFile(path: file).entries["output.weight"]?.type == .q8_0)
        #expect { try exported.preparedMerge(to: file, overwrites: true) } throws: {
            "\($0)".contains("found the file")
        }
    }

    @Test("Bad input 46: a symbolic link is no place for an export")
    func linksAreRefused() throws {
        let exported = try ExportedModel(model: model.path)
        let link = model.output("link")
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: model.path)
        for overwrites in [false, true] {
            #expect { try exported.preparedMerge(to: link, overwrites: overwrites) } throws: {
                "\($0)".contains("is a symbolic link")
            }
        }
        #expect { try exported.preparedMerge(to: model.output("link/../model"), overwrites: true) } throws: {
            "\($0)".contains("holds what is exported")
        }
        #expect { try exported.preparedGGUF(to: model.path + "/../model", type: .f16, name: "x") } throws: {
            "\($0)".contains("holds what is exported")
        }
    }
}
