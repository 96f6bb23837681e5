package import ApusFormats
internal import ApusText

/// The shape of a low-rank adapter: y = W x + (alpha / rank) B A x on some of the linear modules (Hu et al. 2021).
public struct LoRAConfiguration: Sendable, Equatable {
    /// Rank of every pair that no pattern of the adapter gives another.
    public var rank: Int
    /// Numerator of the scale.
    public var alpha: Double
    /// The modules that get a pair, as PEFT reads them: a name such as `q_proj` stands for that module of every layer, a
    /// path such as `model.layers.3.self_attn.q_proj`, or its end, for that of one layer, `all-linear` for all modules of
    /// all, `embed_tokens` and `lm_head` for the embedding and the head, and anything else is a regular expression for a
    /// whole path.
    public var targetModules: [String]
    /// Modules that get none all the same, named likewise.
    public var excludedModules: [String]
    /// The layers that get pairs; nil for all. A module that is named by its whole path is adapted whatever stands here.
    public var layersToTransform: [Int]?
    /// Scale by alpha / √rank in place of alpha / rank.
    public var usesRSLoRA: Bool
    /// What adapter_config.json names as the base model; nil for the model's path.
    public var baseModel: String?
    /// Ranks of single modules: of the first expression that matches.
    package var rankPattern: [LoRAConfigurationFile.ModuleRule<Int>] = []
    /// Alphas of single modules: of the first expression that matches.
    package var alphaPattern: [LoRAConfigurationFile.ModuleRule<Double>] = []

    /// The target that stands for all linear modules of a model's layers.
    public static let allModules = "all-linear"

    /// An adapter on all linear modules of all layers.
    public init(
        rank: Int = 8, alpha: Double = 8, targetModules: [String] = [LoRAConfiguration.allModules],
        excludedModules: [String] = [], layersToTransform: [Int]? = nil, usesRSLoRA: Bool = false,
        baseModel: String? = nil
    ) {
        self.rank = rank
        self.alpha = alpha
        self.targetModules = targetModules
        self.excludedModules = excludedModules
        self.layersToTransform = layersToTransform
        self.usesRSLoRA = usesRSLoRA
        self.baseModel = baseModel
    }

    /// What B A x is multiplied by in a module of this rank and alpha.
    func scale(rank: Int, alpha: Double) -> Float {
        Float(alpha / (usesRSLoRA ? Double(rank).squareRoot() : Double(rank)))
    }

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
                "lora_target_modules: wanted at least one module, found none; use all-linear for all of them")
        }
        for target in targetModules where try !Self.isKnown(target) {
            let known = LinearModule.allCases.map(\.name).joined(separator: ", ")
            throw ModelError(
                "lora_target_modules: wanted some of \(known), embed_tokens, lm_head, a path such as model.layers.3.self_attn.q_proj, all-linear, or "
                    + "a regular expression for paths, found '\(target)'")
        }
        if let layer = layersToTransform?.first(where: { $0 < 0 }) {
            throw ModelError("layers_to_transform: wanted layers from 0, found \(layer)")
        }
    }

    /// The modules that get a pair.
    ///
    /// - Throws: what ``validate()`` throws, and `ModelError` for a layer that the model has not, or when nothing is adapted.
    package func targets(in model: ModelConfiguration) throws(ModelError) -> LoRATargets {
        try validate()
        if let layer = layersToTransform?.first(where: { $0 >= model.layerCount }) {
            throw ModelError("layers_to_transform: the model has layers 0 to \(model.layerCount - 1), found \(layer)")
        }
        let layers = layersToTransform.map(Set.init)
        let wanted = try Self.patterns(targetModules, "lora_target_modules")
        let excluded = try Self.patterns(excludedModules, "exclude_modules")
        let (ranks, alphas) = try rules()
        var modules: [LoRATargets.Module] = []
        for place in LoRATargets.places(in: model) {
            // With layers named, what is in none is adapted only by its whole path.
            let isInLayers = layers.map { layers in place.role.layer.map(layers.contains) ?? false } ?? true
            guard
                wanted.contains(where: {
                    $0.name == place.path
                        || isInLayers && $0.matches(place.path) && !($0.isAllLinear && place.role.layer == nil)
                }), !excluded.contains(where: { $0.matches(place.path) })
            else { continue }
            modules.append(
                LoRATargets.Module(
                    place, rank: ModulePattern.value(of: ranks, for: place.path) ?? rank,
                    alpha: ModulePattern.value(of: alphas, for: place.path) ?? alpha))
        }
        guard !modules.isEmpty else {
            throw ModelError(
                "lora_target_modules: \(targetModules.joined(separator: ", ")) with layers_to_transform "
                    + "\(layersToTransform.map { "\($0)" } ?? "null") adapts no module of this model, which has layers 0 to "
                    + "\(model.layerCount - 1) with \(model.linearModules.map(\.name).joined(separator: ", "))")
        }
        return LoRATargets(modules: modules, layerCount: model.layerCount)
    }

    /// The rules for single modules, ready to be matched.
    func rules() throws(ModelError) -> (
        ranks: [(pattern: PythonPattern, value: Int)], alphas: [(pattern: PythonPattern, value: Double)]
    ) {
        var ranks: [(pattern: PythonPattern, value: Int)] = []
        for rule in rankPattern {
            ranks.append((try ModulePattern.rule(rule.pattern, key: "rank_pattern"), rule.value))
        }
        var alphas: [(pattern: PythonPattern, value: Double)] = []
        for rule in alphaPattern {
            alphas.append((try ModulePattern.rule(rule.pattern, key: "alpha_pattern"), rule.value))
        }
        return (ranks, alphas)
    }

    private static func patterns(_ targets: [String], _ key: String) throws(ModelError) -> [ModulePattern] {
        var patterns: [ModulePattern] = []
        for target in targets { patterns.append(try ModulePattern(target, key: key)) }
        return patterns
    }

    /// Whether a target could be in some model: the layer that it names, if any, is taken for granted, and so is what an
    /// expression matches.
    private static func isKnown(_ target: String) throws(ModelError) -> Bool {
        let pattern = try ModulePattern(target, key: "lora_target_modules")
        guard let name = pattern.name else { return true }
        let layer = name.split(separator: ".").lazy.compactMap { Int($0) }.first ?? 0
        let layout = CheckpointLayout.huggingFace(.llama)
        let tables = [TensorRole.embedding, .head].map(layout.path(ofTable:))
        return layer >= 0 && LinearModule.allCases.contains { pattern.matches(layout.path(of: $0, layer: layer)) }
            || tables.contains(where: pattern.matches)
    }
}
