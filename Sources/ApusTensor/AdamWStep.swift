/// The numbers of one AdamW step (torch's fused formulation).
public struct AdamWStep: Sendable, Equatable {
    /// Step number, from 1.
    public var step: Int
    /// Learning rate of this step.
    public var learningRate: Double
    /// Decay of the first moment.
    public var beta1: Double
    /// Decay of the second moment.
    public var beta2: Double
    /// Added to the root of the second moment.
    public var epsilon: Double
    /// Decoupled weight decay.
    public var weightDecay: Double

    /// A step.
    public init(step: Int, learningRate: Double, beta1: Double, beta2: Double, epsilon: Double, weightDecay: Double) {
        self.step = step
        self.learningRate = learningRate
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.weightDecay = weightDecay
    }

    /// 1 - betaᵗ of the two moments, which both begin at zero: by products, as torch's fused kernel has it.
    package var biasCorrections: (first: Double, second: Double) {
        func power(_ base: Double) -> Double { (0..<step).reduce(1) { power, _ in power * base } }
        return (1 - power(beta1), 1 - power(beta2))
    }
}
