/// The shape of a low-rank adapter: y = W x + (alpha / rank) B A x on some of the linear modules (Hu et al. 2021).
public struct LoRAConfiguration: Codable, Sendable, Equatable {
    /// Rank of every pair.
    public var rank: Int
    /// Numerator of the scale.
    public var alpha: Double
    /// Names of the modules that get a pair, such as `q_proj`; `all-linear` stands for all seven.
    public var targetModules: [String]
    /// Scale by alpha / √rank in place of alpha / rank.
    public var usesRSLoRA: Bool
    /// What adapter_config.json names as the base model; nil for the model's path.
    public var baseModel: String?

    /// The names of all seven linear modules, in the order of a layer.
    public static let allModules = LinearModule.allCases.map(\.name)

    /// An adapter on all seven modules.
    public init(
        rank: Int = 8, alpha: Double = 8, targetModules: [String] = LoRAConfiguration.allModules,
        usesRSLoRA: Bool = false, baseModel: String? = nil
    ) {
        self.rank = rank
        self.alpha = alpha
        self.targetModules = targetModules
        self.usesRSLoRA = usesRSLoRA
        self.baseModel = baseModel
    }

    /// What B A x is multiplied by.
    package var scale: Float { Float(alpha / (usesRSLoRA ? Double(rank).squareRoot() : Double(rank))) }

    /// The modules that get a pair.
    ///
    /// - Throws: `ModelError` for a rank below 1, an alpha that is not positive and finite, or an unknown module.
    package func modules() throws(ModelError) -> Set<LinearModule> {
        guard rank >= 1 else { throw ModelError("lora_r: wanted at least 1, found \(rank)") }
        guard alpha > 0, alpha.isFinite else {
            throw ModelError("lora_alpha: wanted a positive number, found \(alpha)")
        }
        guard !targetModules.isEmpty else {
            throw ModelError(
                "lora_target_modules: wanted at least one module, found none; use all-linear for all seven")
        }
        var modules: Set<LinearModule> = []
        for target in targetModules {
            let matches = LinearModule.allCases.filter {
                target == "all-linear" || $0.name == target || target.hasSuffix(".\($0.name)")
            }
            guard !matches.isEmpty else {
                let known = Self.allModules.joined(separator: ", ")
                throw ModelError("lora_target_modules: wanted some of \(known) or all-linear, found '\(target)'")
            }
            modules.formUnion(matches)
        }
        return modules
    }
}
