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
}
