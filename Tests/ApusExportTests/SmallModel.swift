import ApusFormats
import ApusModel
import ApusTestModels
import ApusTestSupport
import Foundation

/// A model with random weights and a tokenizer that llama.cpp knows, wide enough for super-blocks, and an adapter for it.
struct SmallModel {
    let folder: TemporaryFolder
    var path: String { folder.url.appending(path: "model").path }
    var adapter: String { folder.url.appending(path: "adapter").path }

    /// Rows of the embedding; the tokenizer has 560 tokens.
    static let vocabularySize = 576
    private static let rank = 4

    init(architecture: String = "llama", rope: String = "null", ties: Bool = false) throws {
        folder = try TemporaryFolder()
        for name in ["model", "adapter"] {
            let url = folder.url.appending(path: name)
            try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        }
        try writeConfiguration(architecture: architecture, rope: rope, ties: ties)
        var random = RandomWeights()
        try writeWeights(&random)
        try writeAdapter(&random)
    }

    /// A model with the configuration of a family's fixture, but for a vocabulary that the tokenizer fits.
    init(family: String) throws {
        folder = try TemporaryFolder()
        let url = folder.url.appending(path: "model")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        var config =
            try JSONSerialization.jsonObject(with: Fixture.data("families/\(family)/config.json")) as? [String: Any]
        config?["vocab_size"] = Self.vocabularySize
        config?["bos_token_id"] = 0
        config?["eos_token_id"] = 0
        try JSONSerialization.data(withJSONObject: config ?? [:]).write(to: url.appending(path: "config.json"))
        try Fixture.data("text/smollm/tokenizer.json").write(to: url.appending(path: "tokenizer.json"))
        var random = RandomWeights()
        try writeWeights(&random)
    }

    /// A place for an export.
    func output(_ name: String) -> String { folder.url.appending(path: name).path }

    private func writeConfiguration(architecture: String, rope: String, ties: Bool) throws {
        let text = """
            {"architectures": ["\(architecture == "llama" ? "Llama" : "Qwen2")ForCausalLM"], "model_type": "\(architecture)",
             "vocab_size": \(Self.vocabularySize), "hidden_size": 256, "intermediate_size": 320, "num_hidden_layers": 2,
             "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 64, "hidden_act": "silu",
             "rms_norm_eps": 1e-05, "rope_theta": 10000.0, "rope_scaling": \(rope), "max_position_embeddings": 256,
             "tie_word_embeddings": \(ties), "bos_token_id": 0, "eos_token_id": 0, "torch_dtype": "bfloat16"}
            """
        try Data(text.utf8).write(to: folder.url.appending(path: "model/config.json"))
        let tokenizer = architecture == "llama" ? "smollm" : "qwen2"
        let files = [
            ("text/\(tokenizer)/tokenizer.json", "tokenizer.json"),
            ("text/templates/smollm2.jinja", "chat_template.jinja"),
        ]
        for (fixture, name) in files {
            try Fixture.data(fixture).write(to: folder.url.appending(path: "model/\(name)"))
        }
    }

    private func writeWeights(_ random: inout RandomWeights) throws {
        let data = try Data(contentsOf: folder.url.appending(path: "model/config.json"))
        var writer = SafetensorsWriter()
        for (name, shape) in try ModelConfiguration(huggingFace: data).namedTensors.map({ ($0.name, $0.tensor.shape) })
        {
            let isNorm = name.hasSuffix("norm.weight")
            let values = random.values(shape.reduce(1, *), scale: isNorm ? 0.1 : 0.05).map { isNorm ? 1 + $0 : $0 }
            writer.append(name, shape: shape, .bf16(values))
        }
        try writer.write(to: folder.url.appending(path: "model/model.safetensors"))
    }

    private func writeAdapter(_ random: inout RandomWeights) throws {
        let data = try Data(contentsOf: folder.url.appending(path: "model/config.json"))
        let configuration = try ModelConfiguration(huggingFace: data)
        var file = LoRAConfigurationFile()
        (file.rank, file.alpha, file.baseModel) = (Self.rank, 6, path)
        let modules: [LinearModule] = [.query, .key, .attentionOutput, .down]
        file.targetModules = .names(modules.map(\.name))
        try write(file)
        var writer = SafetensorsWriter()
        for (layer, plan) in configuration.layers.enumerated() {
            for linear in plan.modules where modules.contains(linear.module) {
                let (outputs, inputs) = (linear.outputs, linear.inputs)
                let path = configuration.huggingFaceLayout.path(of: linear.module, layer: layer)
                let prefix = "base_model.model.\(path)."
                writer.append(
                    prefix + "lora_A.weight", shape: [Self.rank, inputs],
                    .f32(random.values(Self.rank * inputs, scale: 0.1)))
                writer.append(
                    prefix + "lora_B.weight", shape: [outputs, Self.rank],
                    .f32(random.values(Self.rank * outputs, scale: 0.05)))
            }
        }
        try writer.write(to: folder.url.appending(path: "adapter/adapter_model.safetensors"))
    }

    /// Replaces the adapter's configuration.
    func write(_ file: LoRAConfigurationFile) throws {
        try file.encoded().write(to: folder.url.appending(path: "adapter/adapter_config.json"))
    }

    /// A weight with the adapter added, computed from the files in the plainest way.
    func merged(_ name: String) throws -> [Float] {
        let weights = try SafetensorsFile(path: path + "/model.safetensors")
        let adapter = try SafetensorsFile(path: adapter + "/adapter_model.safetensors")
        var values = try weights.readFloats(name)
        let prefix = "base_model.model.\(name.dropLast(".weight".count))."
        guard adapter.entries[prefix + "lora_A.weight"] != nil else { return values }
        let a = try adapter.readFloats(prefix + "lora_A.weight")
        let b = try adapter.readFloats(prefix + "lora_B.weight")
        let width = a.count / Self.rank
        for row in 0..<b.count / Self.rank {
            for column in 0..<width {
                for k in 0..<Self.rank {
                    values[row * width + column] += Float(1.5) * b[row * Self.rank + k] * a[k * width + column]
                }
            }
        }
        return values
    }

    /// All names and shapes of the model.
    func tensors() throws -> [(name: String, shape: [Int])] {
        try Checkpoint(path: path).configuration.namedTensors.map { ($0.name, $0.tensor.shape) }
    }
}

/// Numbers that look normal, the same in every run.
struct RandomWeights {
    private var state: UInt64 = 42

    mutating func values(_ count: Int, scale: Float) -> [Float] {
        (0..<count).map { _ in
            // The sum of four uniform numbers.
            (0..<4).reduce(Float(0)) { sum, _ in sum + uniform() } * scale
        }
    }

    private mutating func uniform() -> Float {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Float(Int32(truncatingIfNeeded: state >> 33)) / Float(Int32.max) * 2 - 1
    }
}

/// A tensor of a checkpoint, whatever its format, under its Hugging Face name.
func values(_ name: String, in checkpoint: Checkpoint) throws -> [Float] {
    guard let role = checkpoint.configuration.role(named: name) else { preconditionFailure("no tensor \(name)") }
    return try checkpoint.floats(role)
}
