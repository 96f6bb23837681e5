internal import ApusFormats
public import Foundation

extension LoRAAdapter {
    /// Loads an adapter in PEFT's layout: `adapter_config.json` and `adapter_model.safetensors`.
    ///
    /// It stands beside the modules that the file holds matrices for. ``remarks`` says what the file holds besides.
    /// - Throws: `FormatError` or `ModelError` naming the file, the tensor, what was wanted and what was found.
    public convenience init(directory: URL, for model: LanguageModel) throws {
        let path = directory.path(percentEncoded: false)
        let file = try AdapterFile(directory: path, for: model.configuration) {
            try Checkpoint(path: model.checkpointPath)
        }
        try self.init(zero: file.shape, targets: file.targets, for: model, remarks: Self.remarks(file))
        var values: [Float] = []
        values.reserveCapacity(parameterCount)
        for module in file.targets.modules {
            guard let pair = try file.matrices(of: module.path) else { continue }
            values += pair.a
            values += pair.b
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
        file.rankPattern = configuration.rankPattern
        file.alphaPattern = configuration.alphaPattern
        file.targetModules = .names(targets.names.modules)
        file.layersToTransform = targets.names.layers
        try file.encoded().write(to: directory.appending(path: "adapter_config.json"))
    }

    private static func remarks(_ file: AdapterFile) -> [String] {
        guard !file.copiesOfBase.isEmpty else { return [] }
        return [
            "\(file.path): \(file.copiesOfBase.joined(separator: ", ")): no LoRA matrix, and the same as in the model: passed "
                + "over"
        ]
    }
}
