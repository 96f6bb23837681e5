/// What a gated feed-forward network applies to its gate.
public enum GateActivation: String, Sendable, CaseIterable {
    /// x · sigmoid(x).
    case silu
    /// x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2, which others call `gelu_pytorch_tanh` (Hendrycks and Gimpel 2016).
    case geluTanh
}
