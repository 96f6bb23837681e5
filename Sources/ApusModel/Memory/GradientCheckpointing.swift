/// What a backward pass finds of the forward pass: `gradient_checkpointing`.
public enum GradientCheckpointing: String, Sendable, CaseIterable {
    /// The input of each layer, from which the inside is computed again.
    case recompute = "true"
    /// The same, with those inputs in the host's memory where the device has one of its own, as Unsloth's mode of this name:
    /// longer sequences fit. Elsewhere it is ``recompute``. Results are the same to the bit.
    case offload = "unsloth"
    /// With them what the inside of each layer computed, in 16 bits: faster for two to three times the memory a token.
    case none = "false"
}
