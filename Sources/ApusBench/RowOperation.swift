internal import ApusCPU
internal import ApusTensor

/// Operations that go over rows of activations once.
public enum RowOperation: String, Sendable, CaseIterable {
    /// To 16 bits, as products read them.
    case rounding
    /// RMSNorm.
    case norm
    /// Adding to the residual stream, then RMSNorm.
    case addNorm = "add and norm"
    /// The gradient of RMSNorm.
    case normBackward = "norm backward"
    /// silu(gate) · up.
    case gate
    /// The gradients of both factors.
    case gateBackward = "gate backward"
    /// Rotary positions.
    case rotation
    /// Rows of one matrix to rows of another.
    case copy
    /// Drawing a token from a row of logits by temperature alone, and scoring it.
    case sampling

    /// What a value costs in additions, multiplications and exponentials, and in bytes read and written.
    private var cost: (operations: Double, bytes: Double) {
        switch self {
        // Largest magnitude, product with the inverse scale, conversion; two bytes are written.
        case .rounding: (3, 6)
        // Square, sum, two products.
        case .norm: (4, 8)
        case .addNorm: (5, 16)
        // The square's sum and that of gain, gradient and value; two products each; one sum of both, one with dx.
        case .normBackward: (11, 16)
        // Exponential, addition, division, product.
        case .gate: (4, 12)
        // The same without the product, then three for the slope and three for the two gradients.
        case .gateBackward: (9, 20)
        // Two products and their sum.
        case .rotation: (3, 8)
        case .copy: (0, 8)
        // Largest, difference, exponential, sum; for the score scale, exponential, sum, and product and sum of the entropy.
        case .sampling: (9, 4)
        }
    }

    /// Additions, multiplications and exponentials a value.
    var operations: Double { cost.operations }
    /// Bytes read and written a value.
    var bytes: Double { cost.bytes }

    /// Whether other threads take part in a run of its own: in gradients always, elsewhere as `CPUBackend.split` decides by
    /// the work. Rounding many rows is part of a product's run.
    func isShared(rows: Int, columns: Int) -> Bool {
        let weight =
            switch self {
            case .rounding: rows <= CPUBackend.fewRows ? CPUBackend.roundingWeight : 0
            case .gate: 4
            case .rotation: 2
            case .norm, .addNorm, .copy: 1
            case .normBackward, .gateBackward, .sampling: CPUBackend.leastSharedWork
            }
        return rows > 1 && weight * rows * columns >= CPUBackend.leastSharedWork
    }
}
