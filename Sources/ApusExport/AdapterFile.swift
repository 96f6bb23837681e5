package import ApusFormats
package import ApusModel
import Foundation

/// A LoRA adapter in PEFT's layout, checked against the model that it belongs to; its tensors stay in the file.
package final class AdapterFile: Sendable {
    /// The adapter's folder as it was given.
    package let path: String
    /// What `adapter_config.json` says.
    package let configuration: LoRAConfigurationFile
    /// The adapted modules in the order of the model's layers, as paths such as `model.layers.3.self_attn.q_proj`.
    package let modules: [String]
    let source: SafetensorsFile
    private let names: [String: (a: String, b: String)]

    /// Opens an adapter.
    ///
    /// - Throws: `FormatError` for damaged files and for what is no plain LoRA (DoRA, trained biases, whole modules);
    ///   `ExportError` when it does not fit the model.
    package init(directory: String, for model: ModelConfiguration) throws {
        let folder = URL(filePath: directory, directoryHint: .isDirectory)
        path = directory
        configuration = try LoRAConfigurationFile(path: folder.appending(path: "adapter_config.json").path)
        source = try SafetensorsFile(path: folder.appending(path: "adapter_model.safetensors").path)
        var shapes: [(path: String, outputs: Int, inputs: Int)] = []
        for layer in 0..<model.layerCount {
            for module in LinearModule.allCases {
                let (outputs, inputs) = module.shape(model)
                shapes.append((module.path(layer: layer), outputs, inputs))
            }
        }
        names = try Self.pairs(in: source, of: Set(shapes.map(\.path)))
        modules = shapes.map(\.path).filter(names.keys.contains)
        for (path, outputs, inputs) in shapes {
            guard let pair = names[path] else { continue }
            try check(pair.a, [configuration.rank, inputs])
            try check(pair.b, [outputs, configuration.rank])
        }
    }

    /// What B A is multiplied by.
    package var scale: Float {
        let rank = Double(configuration.rank)
        return Float(configuration.alpha / (configuration.usesRSLoRA ? rank.squareRoot() : rank))
    }

    /// The pair of an adapted module: A is `[rank, inputs]`, B `[outputs, rank]`, both row-major; nil for other modules.
    ///
    /// - Throws: `ExportError` when a value is NaN or infinite.
    func matrices(of module: String) throws -> (a: [Float], b: [Float])? {
        guard let pair = names[module] else { return nil }
        let (a, b) = (try source.readFloats(pair.a), try source.readFloats(pair.b))
        guard a.allSatisfy(\.isFinite), b.allSatisfy(\.isFinite) else {
            throw ExportError(
                "\(source.path): the adapter of '\(module)' holds NaN or infinite values; use an earlier one")
        }
        return (a, b)
    }

    /// What the adapter adds to a weight such as `model.layers.3.self_attn.q_proj.weight`; nil when it leaves it alone.
    func update(of weight: String) throws -> LowRankUpdate? {
        guard weight.hasSuffix(".weight"), let pair = try matrices(of: String(weight.dropLast(".weight".count))) else {
            return nil
        }
        return LowRankUpdate(a: pair.a, b: pair.b, rank: configuration.rank, scale: scale)
    }

    private func check(_ name: String, _ wanted: [Int]) throws {
        let found = try source.entry(name).shape
        guard found == wanted else {
            throw ExportError(
                "\(source.path): tensor '\(name)': wanted shape \(wanted), found \(found); it was made for another model"
            )
        }
    }

    /// Both names of each adapted module. A tensor that belongs to no module of the model is an error: it would be lost.
    private static func pairs(
        in source: SafetensorsFile, of known: Set<String>
    ) throws -> [String: (a: String, b: String)] {
        var halves: [String: [String: String]] = [:]
        for name in source.entries.keys.sorted() {
            guard let (module, half) = split(name), known.contains(module) else {
                throw ExportError(
                    "\(source.path): tensor '\(name)' is no LoRA matrix of a linear layer of this model; "
                        + "train the adapter on the layers' linear modules only")
            }
            guard halves[module, default: [:]].updateValue(name, forKey: half) == nil else {
                throw ExportError("\(source.path): \(half) of '\(module)' is there twice; save the adapter again")
            }
        }
        guard !halves.isEmpty else { throw ExportError("\(source.path): wanted LoRA matrices, found no tensor") }
        return try Dictionary(
            uniqueKeysWithValues: halves.map { module, names in
                guard let a = names["lora_A"], let b = names["lora_B"] else {
                    throw ExportError(
                        "\(source.path): '\(module)' has only one of lora_A and lora_B; copy the file again")
                }
                return (module, (a, b))
            })
    }

    /// `base_model.model.<module>.lora_A.weight`, with or without the adapter's name before `weight`.
    private static func split(_ name: String) -> (module: String, half: String)? {
        let prefix = "base_model.model."
        guard name.hasPrefix(prefix) else { return nil }
        for half in ["lora_A", "lora_B"] {
            for ending in [".\(half).weight", ".\(half).default.weight"] where name.hasSuffix(ending) {
                return (String(name.dropFirst(prefix.count).dropLast(ending.count)), half)
            }
        }
        return nil
    }
}
