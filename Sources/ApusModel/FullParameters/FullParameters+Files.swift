internal import ApusFormats
public import ApusTensor
internal import ApusText
public import Foundation

extension FullParameters {
    /// How trained weights are stored.
    public enum StoredPrecision: String, Sendable, CaseIterable {
        /// Rounded to bf16, as most models are published.
        case bfloat16
        /// As they are.
        case float32
    }

    /// Loads a model folder in Hugging Face's layout to train all of its weights.
    ///
    /// - Parameter backend: the device.
    /// - Throws: `FormatError`, `TextError`, `TensorError` or `ModelError`, each one line that says what to do.
    public convenience init(directory: URL, backend: any Backend) throws {
        try Self.requireFolder(directory)
        let checkpoint = try Checkpoint(path: directory.path)
        let parts = ModelParts(
            path: directory.path, configuration: checkpoint.configuration, tokenizer: try checkpoint.makeTokenizer())
        try self.init(parts, backend: backend) { tensor, _, values in
            let rows = tensor.shape.count > 1 ? tensor.shape[0] : 1
            try checkpoint.read(tensor.role, rows: 0..<rows, into: values)
            checkpoint.finish(tensor.role)
        }
    }

    /// Makes a model from `config.json` and a tokenizer as transformers does: matrices normal with the configuration's
    /// `initializer_range` (0.02) as standard deviation, gains one, biases zero. Weights in the folder are not read.
    ///
    /// - Throws: `FormatError`, `TextError`, `TensorError` or `ModelError`, each one line that says what to do.
    public convenience init(randomFrom directory: URL, seed: UInt64, backend: any Backend) throws {
        try Self.requireFolder(directory)
        let configuration = try Checkpoint.readConfiguration(in: directory)
        let parts = ModelParts(
            path: directory.path, configuration: configuration, tokenizer: try Tokenizer(directory: directory))
        let data = try Data(contentsOf: directory.appending(path: "config.json"))
        let deviation = try JSONDecoder().decode(InitializerRange.self, from: data).value ?? 0.02
        let random = Philox(seed: seed)
        try self.init(parts, backend: backend) { tensor, index, values in
            guard tensor.shape.count > 1 else {
                // A gain begins as the factor 1, whatever is added to it.
                return values.update(
                    repeating: tensor.role.isGain ? 1 - parts.configuration.architecture.gainOffset : 0)
            }
            for position in values.indices {
                values[position] = Float(deviation * random.normal(sample: index, position: position))
            }
        }
    }

    /// Writes `config.json`, `model.safetensors` and, where there is one, `generation_config.json`: with the tokenizer's
    /// files a model folder that transformers, vLLM and this library load.
    ///
    /// - Throws: `FormatError` or `ModelError` when a file cannot be read or written.
    public func save(to directory: URL) throws {
        let type: ElementType = storedPrecision == .float32 ? .f32 : .bf16
        try writeParameters(to: directory.appending(path: "model.safetensors"), as: type)
        let source = URL(filePath: model.checkpointPath, directoryHint: .isDirectory)
        let text = try String(contentsOf: source.appending(path: "config.json"), encoding: .utf8)
        try Data(Self.configuration(text, storedAs: storedPrecision).utf8).write(
            to: directory.appending(path: "config.json"))
        let generation = source.appending(path: "generation_config.json")
        if let data = try? Data(contentsOf: generation) {
            try data.write(to: directory.appending(path: generation.lastPathComponent))
        }
    }

    /// The configuration with the type of its weights replaced; everything else stays as it was written.
    static func configuration(_ written: String, storedAs precision: StoredPrecision) throws -> String {
        let text = try withoutQuantization(written)
        for key in ["\"torch_dtype\"", "\"dtype\""] {
            guard let name = text.range(of: key),
                let open = text[name.upperBound...].firstIndex(where: { !$0.isWhitespace && $0 != ":" }),
                text[open] == "\"", let close = text[text.index(after: open)...].firstIndex(of: "\"")
            else { continue }
            return text[...open] + precision.rawValue + text[close...]
        }
        return text
    }

    /// Trained weights are stored plain, however the folder that they began from holds its own.
    private static func withoutQuantization(_ text: String) throws -> String {
        let members = try JSONValue(json: text.utf8, isLenient: true).members ?? []
        let key = "quantization_config"
        guard members.contains(where: { $0.key == key }) else { return text }
        return JSONWriter(indent: 2).write(JSONValue.object(members.filter { $0.key != key })) + "\n"
    }

    private static func requireFolder(_ directory: URL) throws(ModelError) {
        guard Checkpoint.isFolder(directory.path) else {
            throw ModelError(
                "\(directory.path): wanted a model folder with config.json to train all weights, found something else; "
                    + "train an adapter on a GGUF file")
        }
    }
}

private struct InitializerRange: Decodable {
    var value: Double?

    enum CodingKeys: String, CodingKey { case value = "initializer_range" }
}

extension Philox {
    /// A number of the standard normal distribution (Box and Muller).
    fileprivate func normal(sample: Int, position: Int) -> Double {
        let radius = (-2 * log(1 - uniform(step: 0, sample: sample, position: position))).squareRoot()
        return radius * cos(2 * .pi * uniform(step: 1, sample: sample, position: position))
    }
}
