/// The shape of a low-rank adapter: y = W x + (alpha / rank) B A x on some of the linear modules (Hu et al. 2021).
public struct LoRAConfiguration: Codable, Sendable, Equatable {
    /// Rank of every pair.
    public var rank: Int
    /// Numerator of the scale.
    public var alpha: Double
    /// The modules that get a pair, as PEFT reads them: a name such as `q_proj` stands for that module of every layer, a
    /// path such as `model.layers.3.self_attn.q_proj`, or its end, for that of one layer, `all-linear` for all seven of all.
    public var targetModules: [String]
    /// The layers that get pairs; nil for all. A module that is named by its whole path is adapted whatever stands here.
    public var layersToTransform: [Int]?
    /// Scale by alpha / √rank in place of alpha / rank.
    public var usesRSLoRA: Bool
    /// What adapter_config.json names as the base model; nil for the model's path.
    public var baseModel: String?

    /// The names of all seven linear modules, in the order of a layer.
    public static let allModules = LinearModule.allCases.map(\.name)

    /// An adapter on all seven modules of all layers.
    public init(
        rank: Int = 8, alpha: Double = 8, targetModules: [String] = LoRAConfiguration.allModules,
        layersToTransform: [Int]? = nil, usesRSLoRA: Bool = false, baseModel: String? = nil
    ) {
        self.rank = rank
        self.alpha = alpha
        self.targetModules = targetModules
        self.layersToTransform = layersToTransform
        self.usesRSLoRA = usesRSLoRA
        self.baseModel = baseModel
    }

    /// What B A x is multiplied by.
    package var scale: Float { Float(alpha / (usesRSLoRA ? Double(rank).squareRoot() : Double(rank))) }

    /// Checks what can be checked without a model.
    ///
    /// - Throws: `ModelError` for a rank below 1, an alpha that is not positive and finite, or an unknown module.
    package func validate() throws(ModelError) {
        guard rank >= 1 else { throw ModelError("lora_r: wanted at least 1, found \(rank)") }
        guard alpha > 0, alpha.isFinite else {
            throw ModelError("lora_alpha: wanted a positive number, found \(alpha)")
        }
        guard !targetModules.isEmpty else {
            throw ModelError(
                "lora_target_modules: wanted at least one module, found none; use all-linear for all seven")
        }
        for target in targetModules where !Self.isKnown(target) {
            let known = Self.allModules.joined(separator: ", ")
            throw ModelError(
                "lora_target_modules: wanted some of \(known), a path such as model.layers.3.self_attn.q_proj, or all-linear, "
                    + "found '\(target)'")
        }
        if let layer = layersToTransform?.first(where: { $0 < 0 }) {
            throw ModelError("layers_to_transform: wanted layers from 0, found \(layer)")
        }
    }

    /// The modules that get a pair.
    ///
    /// - Throws: what ``validate()`` throws, and `ModelError` for a layer that the model has not, or when nothing is adapted.
    package func targets(layerCount: Int) throws(ModelError) -> LoRATargets {
        try validate()
        if let layer = layersToTransform?.first(where: { $0 >= layerCount }) {
            throw ModelError("layers_to_transform: the model has layers 0 to \(layerCount - 1), found \(layer)")
        }
        let layers = layersToTransform.map(Set.init)
        let targets = LoRATargets(layerCount: layerCount) { module, layer in
            let path = module.path(layer: layer)
            return targetModules.contains(path)
                || layers?.contains(layer) ?? true && targetModules.contains { Self.matches($0, path) }
        }
        guard targets.count > 0 else {
            throw ModelError(
                "lora_target_modules: \(targetModules.joined(separator: ", ")) with layers_to_transform "
                    + "\(layersToTransform.map { "\($0)" } ?? "null") adapts no module of this model, which has layers 0 to "
                    + "\(layerCount - 1)")
        }
        return targets
    }

    /// PEFT's rule for the path of a module.
    private static func matches(_ target: String, _ path: String) -> Bool {
        target == "all-linear" || path == target || path.hasSuffix("." + target)
    }

    /// Whether a target could be in some model: the layer that it names, if any, is taken for granted.
    private static func isKnown(_ target: String) -> Bool {
        let layer = target.split(separator: ".").lazy.compactMap { Int($0) }.first ?? 0
        return layer >= 0 && LinearModule.allCases.contains { matches(target, $0.path(layer: layer)) }
    }
}
