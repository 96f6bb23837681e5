/// Steers the weight of the entropy bonus: up while the policy's entropy is at or below its target, down above it.
struct EntropyController: Sendable, Equatable, Codable {
    /// The weight that would apply.
    private(set) var coefficient: Double
    /// The mean entropy of the last accumulation window; infinite before the first.
    private(set) var lastEntropy: Double?
    private var sum = 0.0
    private var tokens = 0

    init(_ configuration: GRPOConfiguration) { coefficient = configuration.entropyCoef }

    /// The weight in use: `nil` when there is no bonus at all.
    func activeCoefficient(_ configuration: GRPOConfiguration) -> Double? {
        guard configuration.useAdaptiveEntropy else { return coefficient == 0 ? nil : coefficient }
        guard let lastEntropy, lastEntropy <= configuration.entropyTarget else { return 0 }
        return coefficient
    }

    /// Adds a micro-batch to the window.
    mutating func add(_ evaluation: LossEvaluation) {
        sum += evaluation.entropySum
        tokens += evaluation.entropyTokens
    }

    /// Ends a window: moves the weight by one step, within its bounds.
    /// - Parameter isApplied: whether the step of the window was applied; one that was skipped moves nothing.
    mutating func endWindow(_ configuration: GRPOConfiguration, isApplied: Bool = true) {
        defer { (sum, tokens) = (0, 0) }
        guard isApplied, configuration.useAdaptiveEntropy, tokens > 0 else { return }
        let entropy = sum / Double(tokens)
        // The loss may be finite where an entropy that has no weight in it is not.
        guard entropy.isFinite else { return }
        lastEntropy = entropy
        let change = entropy <= configuration.entropyTarget ? 1 : -1
        let moved = coefficient + Double(change) * configuration.entropyCoefDelta
        coefficient = min(max(moved, configuration.entropyCoefMin), configuration.entropyCoefMax)
    }
}
