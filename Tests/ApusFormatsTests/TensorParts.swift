import ApusFormats
import ApusTestSupport

/// Tensors to be put into a file with some of them changed.
struct TensorParts {
    var tensors: [String: SafetensorsWriter.Tensor] = [:]

    /// The tensors whose names begin with `prefix`.
    init(_ source: any TensorSource, of prefix: String) throws {
        for (name, entry) in source.entries where name.hasPrefix(prefix) {
            let bytes = try source.readBytes(name)
            tensors[name] = SafetensorsWriter.Tensor(name: name, shape: entry.shape, elements: .raw(entry.type, bytes))
        }
    }

    /// The file with other bytes under one name.
    func replacing(_ name: String, _ type: ElementType, _ bytes: [UInt8]) throws -> SafetensorsFile {
        var result = self
        let shape = [bytes.count / type.blockBytes]
        result.tensors[name] = SafetensorsWriter.Tensor(name: name, shape: shape, elements: .raw(type, bytes))
        return try result.opened()
    }

    /// The file; the mapping outlives its folder.
    func opened() throws -> SafetensorsFile {
        let folder = try TemporaryFolder()
        let path = try folder.write(SafetensorsWriter(tensors: Array(tensors.values)).data(), as: "parts.safetensors")
        return try SafetensorsFile(path: path)
    }
}
