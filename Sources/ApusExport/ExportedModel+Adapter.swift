import ApusFormats
import ApusModel
import ApusText
import Foundation

extension ExportedModel {
    /// Writes the adapter in PEFT's layout with the tokenizer beside it, after checking it against vLLM's rules.
    ///
    /// Tensors keep their bytes; their names are brought to the form that PEFT writes.
    ///
    /// - Parameters:
    ///   - output: a new folder.
    ///   - overwrites: whether a folder that is there may be replaced.
    /// - Returns: what vLLM must be told, and a function that writes.
    /// - Throws: `ExportError` for an adapter that vLLM would refuse.
    public func preparedAdapter(
        to output: String, overwrites: Bool = false
    ) throws -> (rules: ServingRules, write: () throws -> Void) {
        let adapter = try requiredAdapter()
        guard !adapter.targets.hasTables else {
            throw ExportError(
                "\(adapter.path): it adapts the embedding or the head, which vLLM does not serve for every model; export merged"
            )
        }
        let rules = try ServingRules(adapter.configuration)
        let place = try OutputPlace(output, overwrites: overwrites, sources: sources)
        try place.prepareFolder()
        var stored: [String: String] = [:]
        for name in adapter.source.entries.keys where !adapter.copiesOfBase.contains(name) {
            stored[name.hasSuffix(".default.weight") ? String(name.dropLast(15)) + ".weight" : name] = name
        }
        let layouts = try stored.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }.map { name, source in
            let entry = try adapter.source.entry(source)
            return TensorLayout(name: name, shape: entry.shape, type: entry.type)
        }
        return (
            rules,
            { [stored] in
                try place.writeFolder { folder in
                    let weights = folder.appending(path: "adapter_model.safetensors").path(percentEncoded: false)
                    try SafetensorsStream(tensors: layouts).write(to: weights) { tensor, append in
                        try append(adapter.source.readBytes(stored[tensor.name] ?? tensor.name))
                    }
                    try adapter.configuration.encoded().write(to: folder.appending(path: "adapter_config.json"))
                    try tokenizer.save(to: folder)
                }
            }
        )
    }
}
