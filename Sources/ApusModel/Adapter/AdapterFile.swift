package import ApusFormats
import Foundation

/// A LoRA adapter in PEFT's layout, checked against the model that it belongs to; its tensors stay in the file.
package final class AdapterFile: Sendable {
    /// The adapter's folder as it was given.
    package let path: String
    /// What `adapter_config.json` says, with the modules and layers that the file holds matrices for: there may be a pattern
    /// in their place.
    package let configuration: LoRAConfigurationFile
    /// The shape of the adapter.
    package let shape: LoRAConfiguration
    /// The modules that the file adapts.
    package let targets: LoRATargets
    /// Names of tensors that are no LoRA matrices and hold what the base model holds.
    package let copiesOfBase: [String]
    /// Where the matrices are read from.
    package let source: SafetensorsFile
    private let names: [String: (a: String, b: String)]
    private let layout: CheckpointLayout

    /// Opens an adapter.
    ///
    /// - Parameter base: opens the model's files; called when the adapter holds a tensor that is no LoRA matrix, which is
    ///   passed over when it equals the base model's.
    /// - Throws: `FormatError` for damaged files and for what is no plain LoRA (DoRA, trained biases, whole modules);
    ///   `ModelError` when it does not fit the model.
    package init(directory: String, for model: ModelConfiguration, base: () throws -> Checkpoint) throws {
        let folder = URL(filePath: directory, directoryHint: .isDirectory)
        var configuration = try LoRAConfigurationFile(path: folder.appending(path: "adapter_config.json").path)
        let source = try SafetensorsFile(path: folder.appending(path: "adapter_model.safetensors").path)
        let places = LoRATargets.places(in: model)
        let (names, others) = try Self.pairs(in: source, of: Set(places.map(\.path)))
        copiesOfBase = try others.isEmpty ? [] : ForeignTensors(others, in: source, base: base()).copies()
        targets = try Self.targets(names, configuration, in: model, source)
        let (targetModules, layers) = targets.names
        configuration.targetModules = .names(targetModules)
        configuration.excludedModules = nil
        configuration.layersToTransform = layers
        shape = LoRAConfiguration(configuration)
        path = directory
        layout = model.huggingFaceLayout
        self.configuration = configuration
        self.source = source
        self.names = names
    }

    /// What B A of a module is multiplied by.
    package func scale(of module: LoRATargets.Module) -> Float { shape.scale(rank: module.rank, alpha: module.alpha) }

    /// The modules that the file holds matrices for, of the ranks that these have; which alpha is theirs, the rules say.
    private static func targets(
        _ names: [String: (a: String, b: String)], _ configuration: LoRAConfigurationFile, in model: ModelConfiguration,
        _ source: SafetensorsFile
    ) throws -> LoRATargets {
        let (ranks, alphas) = try LoRAConfiguration(configuration).rules()
        var modules: [LoRATargets.Module] = []
        for place in LoRATargets.places(in: model) {
            guard let pair = names[place.path] else { continue }
            let rank = ModulePattern.value(of: ranks, for: place.path) ?? configuration.rank
            try check(pair.a, [rank, place.inputs], in: source)
            try check(pair.b, [place.outputs, rank], in: source)
            let alpha = ModulePattern.value(of: alphas, for: place.path) ?? configuration.alpha
            modules.append(LoRATargets.Module(place, rank: rank, alpha: alpha))
        }
        return LoRATargets(modules: modules, layerCount: model.layerCount)
    }

    /// The pair of an adapted module: A is `[rank, inputs]`, B `[outputs, rank]`, both row-major; nil for other modules.
    ///
    /// - Throws: `ModelError` when a value is NaN or infinite.
    package func matrices(of module: String) throws -> (a: [Float], b: [Float])? {
        guard let pair = names[module] else { return nil }
        let (a, b) = (try source.readFloats(pair.a), try source.readFloats(pair.b))
        guard a.allSatisfy(\.isFinite), b.allSatisfy(\.isFinite) else {
            throw ModelError(
                "\(source.path): the adapter of '\(module)' holds NaN or infinite values; use an earlier one")
        }
        return (a, b)
    }

    /// What the adapter adds to a module's weight; nil when it leaves the tensor alone.
    ///
    /// - Throws: what ``matrices(of:)`` throws.
    package func update(of tensor: TensorRole) throws -> LowRankUpdate? {
        guard let adapted = targets.modules.first(where: { $0.role == tensor }),
            let pair = try matrices(of: adapted.path)
        else { return nil }
        let scale = scale(of: adapted)
        guard tensor == .embedding else {
            return LowRankUpdate(a: pair.a, b: pair.b, rank: adapted.rank, scale: scale)
        }
        // A row of the table is a token's, as a column of A is.
        return LowRankUpdate(
            a: pair.b.transposed(columns: adapted.rank), b: pair.a.transposed(columns: adapted.inputs),
            rank: adapted.rank, scale: scale)
    }

    private static func check(_ name: String, _ wanted: [Int], in source: SafetensorsFile) throws {
        let found = try source.entry(name).shape
        guard found == wanted else {
            throw ModelError(
                "\(source.path): tensor '\(name)': wanted shape \(wanted), found \(found); the adapter was made for another "
                    + "model")
        }
    }

    /// Both names of each adapted module, and the names of what is no LoRA matrix of a module of the model.
    private static func pairs(
        in source: SafetensorsFile, of known: Set<String>
    ) throws -> (pairs: [String: (a: String, b: String)], others: [String]) {
        var halves: [String: [String: String]] = [:]
        var others: [String] = []
        for name in source.entries.keys.sorted() {
            guard let (module, half) = split(name), known.contains(module) else {
                others.append(name)
                continue
            }
            guard halves[module, default: [:]].updateValue(name, forKey: half) == nil else {
                throw ModelError("\(source.path): \(half) of '\(module)' is there twice; save the adapter again")
            }
        }
        guard !halves.isEmpty || !others.isEmpty else {
            throw ModelError("\(source.path): wanted LoRA matrices, found no tensor")
        }
        let pairs = try halves.map { module, names in
            guard let a = names["lora_A"], let b = names["lora_B"] else {
                throw ModelError(
                    "\(source.path): '\(module)' has only one of lora_A and lora_B; the file is incomplete, copy it again"
                )
            }
            return (module, (a: a, b: b))
        }
        return (Dictionary(uniqueKeysWithValues: pairs), others)
    }

    /// `base_model.model.<module>.lora_A.weight`, with or without the adapter's name before `weight`, and the embedding's
    /// `lora_embedding_A`, with or without the name behind it.
    private static func split(_ name: String) -> (module: String, half: String)? {
        guard name.hasPrefix(ForeignTensors.prefix) else { return nil }
        for half in ["A", "B"] {
            let endings = [
                ".lora_\(half).weight", ".lora_\(half).default.weight", ".lora_embedding_\(half)",
                ".lora_embedding_\(half).default",
            ]
            for ending in endings where name.hasSuffix(ending) {
                return (String(name.dropFirst(ForeignTensors.prefix.count).dropLast(ending.count)), "lora_\(half)")
            }
        }
        return nil
    }
}

extension [Float] {
    /// A row-major matrix of so many columns, turned.
    fileprivate func transposed(columns: Int) -> [Float] {
        let rows = count / Swift.max(columns, 1)
        return [Float](unsafeUninitializedCapacity: count) { turned, size in
            for row in 0..<rows {
                for column in 0..<columns { turned[column * rows + row] = self[row * columns + column] }
            }
            size = count
        }
    }
}

extension LoRAConfiguration {
    /// What `adapter_config.json` says.
    init(_ file: LoRAConfigurationFile) {
        let targets: [String] =
            switch file.targetModules {
            case .names(let names): names
            case .pattern(let pattern): [pattern]
            }
        self.init(
            rank: file.rank, alpha: file.alpha, targetModules: targets, layersToTransform: file.layersToTransform,
            usesRSLoRA: file.usesRSLoRA, baseModel: file.baseModel)
        rankPattern = file.rankPattern
        alphaPattern = file.alphaPattern
    }
}
