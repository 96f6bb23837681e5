import ApusFormats
import ApusModel
import ApusText
import Foundation

/// The small files of a Hugging Face folder: config.json, generation_config.json and the tokenizer's.
struct ModelFolderFiles {
    let model: ExportedModel
    /// The name of the weights' type, such as `bfloat16`.
    let dtype: String
    /// What config.json says under `quantization_config`; nil for plain weights.
    var quantization: JSONValue?

    /// Writes them all.
    func write(to folder: URL) throws {
        try write(configuration(), to: folder.appending(path: "config.json"))
        if let generation = try generationConfiguration() {
            try generation.write(to: folder.appending(path: "generation_config.json"))
        }
        try model.tokenizer.save(to: folder)
    }

    private func write(_ value: JSONValue, to file: URL) throws {
        try Data((JSONWriter(indent: 2).write(value) + "\n").utf8).write(to: file)
    }

    private func source(_ name: String) -> URL? {
        guard !model.checkpoint.isGGUF else { return nil }
        return URL(filePath: model.checkpoint.path, directoryHint: .isDirectory).appending(path: name)
    }

    /// The model's own config.json with the type and the quantisation of the weights replaced, or one made from GGUF metadata.
    private func configuration() throws -> JSONValue {
        var members: [JSONValue.Member]
        if let file = source("config.json") {
            members = try JSONValue(json: Data(contentsOf: file), isLenient: true).textModel.members ?? []
        } else {
            members = try model.configuration.huggingFaceMembers()
        }
        members.removeAll { $0.key == "quantization_config" || $0.key == "_name_or_path" }
        let key = members.contains { $0.key == "dtype" } ? "dtype" : "torch_dtype"
        members.set(key, .string(dtype))
        if let quantization { members.set("quantization_config", quantization) }
        return .object(members)
    }

    private func generationConfiguration() throws -> Data? {
        if let file = source("generation_config.json") {
            return FileManager.default.fileExists(atPath: file.path) ? try Data(contentsOf: file) : nil
        }
        var members: [JSONValue.Member] = []
        if let bos = model.configuration.bosToken { members.set("bos_token_id", .integer(Int(bos))) }
        members.set("eos_token_id", .array(model.configuration.endTokens.map { .integer(Int($0)) }))
        return Data((JSONWriter(indent: 2).write(JSONValue.object(members)) + "\n").utf8)
    }
}

extension [JSONValue.Member] {
    /// Replaces the value of a key where it stands, or adds the key at the end.
    mutating func set(_ key: String, _ value: JSONValue) {
        if let index = firstIndex(where: { $0.key == key }) {
            self[index].value = value
        } else {
            append(JSONValue.Member(key: key, value: value))
        }
    }
}

extension JSONValue {
    /// Of a configuration of text and images what the text model alone is described by; others as they are.
    fileprivate var textModel: JSONValue {
        guard case .object(let whole) = self, case .object(var text)? = self["text_config"] else { return self }
        for key in ["bos_token_id", "eos_token_id", "pad_token_id", "transformers_version"] {
            if text.contains(where: { $0.key == key }) { continue }
            text += whole.filter { $0.key == key }
        }
        return .object(text)
    }
}
