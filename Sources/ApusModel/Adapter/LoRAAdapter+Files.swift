internal import ApusFormats
public import Foundation

extension LoRAAdapter {
    /// Loads an adapter in PEFT's layout: `adapter_config.json` and `adapter_model.safetensors`.
    ///
    /// - Throws: `FormatError` or `ModelError` naming the file, the tensor, what was wanted and what was found.
    public convenience init(directory: URL, for model: LanguageModel) throws {
        let file = try LoRAConfigurationFile(path: directory.appending(path: "adapter_config.json").path)
        let path = directory.appending(path: "adapter_model.safetensors").path
        let source = try SafetensorsFile(path: path)
        try self.init(zero: Self.configuration(file, source), for: model)
        var values = [Float](repeating: 0, count: parameterCount)
        for tensor in tensors {
            let name = try Self.storedName(tensor.name, in: source, path: path)
            let shape = source.entries[name]?.shape ?? []
            guard shape == tensor.shape else {
                throw ModelError(
                    "\(path): tensor '\(name)': wanted shape \(tensor.shape), found \(shape); "
                        + "the adapter was made for another model")
            }
            try values.withUnsafeMutableBufferPointer {
                try source.read(name, rows: 0..<shape[0], into: UnsafeMutableBufferPointer(rebasing: $0[tensor.range]))
            }
        }
        guard source.entries.count == tensors.count else {
            throw ModelError(
                "\(path): wanted \(tensors.count) tensors, found \(source.entries.count); "
                    + "the adapter was made for another model")
        }
        try setParameters(values)
    }

    /// Writes the adapter so that PEFT loads it.
    ///
    /// - Throws: `FormatError` when a file cannot be written.
    public func save(to directory: URL) throws {
        try writeParameters(to: directory.appending(path: "adapter_model.safetensors"), as: .f32)
        var file = LoRAConfigurationFile()
        file.baseModel = baseModel
        file.rank = configuration.rank
        file.alpha = configuration.alpha
        file.usesRSLoRA = configuration.usesRSLoRA
        let modules = try configuration.modules()
        file.targetModules = .names(LinearModule.allCases.filter(modules.contains).map(\.name))
        try file.encoded().write(to: directory.appending(path: "adapter_config.json"))
    }

    /// The modules that the file adapts are those that it holds tensors for: `target_modules` may be a pattern.
    private static func configuration(
        _ file: LoRAConfigurationFile, _ source: SafetensorsFile
    ) -> LoRAConfiguration {
        let targets = LoRAConfiguration.allModules.filter { name in
            source.entries.keys.contains { $0.contains(".\(name).lora_A") }
        }
        return LoRAConfiguration(
            rank: file.rank, alpha: file.alpha, targetModules: targets, usesRSLoRA: file.usesRSLoRA,
            baseModel: file.baseModel)
    }

    /// Tolerates the adapter's name before `.weight`, which some writers leave in.
    private static func storedName(_ name: String, in source: SafetensorsFile, path: String) throws -> String {
        let named = name.replacingOccurrences(of: ".weight", with: ".default.weight")
        for candidate in [name, named] where source.entries[candidate] != nil { return candidate }
        throw ModelError("\(path): tensor '\(name)' is missing; the file is incomplete or of another model")
    }
}
