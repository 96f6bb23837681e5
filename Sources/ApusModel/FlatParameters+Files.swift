internal import ApusFormats
internal import Foundation

extension FlatParameters {
    /// Writes the parameters as a safetensors file, tensor by tensor: a file takes no second copy of them in memory.
    ///
    /// - Parameter type: how they are stored.
    /// - Throws: `FormatError` when the file cannot be written.
    func writeParameters(to url: URL, as type: ElementType) throws {
        let byName = Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, $0) })
        // The reference implementation's order, for files equal to those of PEFT and transformers byte for byte.
        let layouts = tensors.map { TensorLayout(name: $0.name, shape: $0.shape, type: type) }
            .sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        try SafetensorsStream(tensors: layouts).write(to: url.path(percentEncoded: false)) { layout, append in
            if let tensor = byName[layout.name] { try append(type.encode(try values(of: tensor))) }
        }
    }
}
