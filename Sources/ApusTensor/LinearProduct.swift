/// What the outputs of products are for.
public enum ProductUse: Sendable {
    /// Scores depend on them: a row's sums have the order that they have wherever the row is computed.
    case scores
    /// They serve gradients alone: a device may sum in another order, as `Backend` says.
    case gradients
}

/// One product of a fused linear call: output = input Wᵀ (+ bias) (+ adapter).
public struct LinearProduct {
    /// The frozen weight, [outputs][inputs].
    public let weight: Weight
    /// One value an output, or nil.
    public let bias: Matrix?
    /// The adapter beside the weight, or nil.
    public let lowRank: LowRank?
    /// Where x Aᵀ goes, [rows][rank]; needed with an adapter, kept for the backward pass.
    public let projected: Matrix?
    /// The result, [rows][outputs]; nil where only `projected` is wanted.
    public let output: Matrix?

    /// The adapter with the room for its projection; nil without one.
    package var adapter: (lowRank: LowRank, projected: Matrix)? {
        guard let lowRank, let projected else { return nil }
        return (lowRank, projected)
    }

    /// A product and where its results go.
    public init(weight: Weight, bias: Matrix?, lowRank: LowRank?, projected: Matrix?, output: Matrix?) {
        precondition(lowRank == nil || projected != nil, "an adapter needs room for its projection")
        self.weight = weight
        self.bias = bias
        self.lowRank = lowRank
        self.projected = projected
        self.output = output
    }
}

/// One product of a fused backward call, the gradient of a `LinearProduct`.
public struct LinearGradient {
    /// Gradient of the output, [rows][outputs].
    public let dOutput: Matrix
    /// The frozen weight.
    public let weight: Weight
    /// The adapter and what its gradients need, or nil.
    public let adapter: Adapter?

    /// The part of a linear's gradient that belongs to its adapter.
    public struct Adapter {
        /// The packed pair.
        public let lowRank: LowRank
        /// x Aᵀ of the forward pass, [rows][rank].
        public let projected: Matrix
        /// Room for dOutput · scale·B, [rows][rank].
        public let dProjected: Matrix
        /// Where the gradient of A is added, [rank][inputs].
        public let aGradient: Matrix
        /// Where the gradient of B is added, [outputs][rank].
        public let bGradient: Matrix
        /// alpha / rank.
        public let scale: Float

        /// Bundles the parts.
        public init(
            lowRank: LowRank, projected: Matrix, dProjected: Matrix, aGradient: Matrix, bGradient: Matrix,
            scale: Float
        ) {
            self.lowRank = lowRank
            self.projected = projected
            self.dProjected = dProjected
            self.aGradient = aGradient
            self.bGradient = bGradient
            self.scale = scale
        }
    }

    /// A gradient of one product.
    public init(dOutput: Matrix, weight: Weight, adapter: Adapter?) {
        self.dOutput = dOutput
        self.weight = weight
        self.adapter = adapter
    }
}
