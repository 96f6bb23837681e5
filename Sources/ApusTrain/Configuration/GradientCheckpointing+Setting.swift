package import ApusData
package import ApusModel

/// A flag, as TRL has it, with Unsloth's word.
extension GradientCheckpointing: SettingValue {
    package init?(setting: JSONValue) {
        switch setting {
        case .bool(let flag): self = flag ? .recompute : .none
        case .string(let word): self.init(rawValue: word)
        default: return nil
        }
    }

    package var setting: JSONValue { Bool(rawValue).map(JSONValue.bool) ?? .string(rawValue) }
}

extension SettingDeclaration {
    /// What a backward pass starts from.
    static func gradientCheckpointing(_ path: Path<GradientCheckpointing>) -> Self {
        Self(
            "gradient_checkpointing", path, .flagOr(GradientCheckpointing.offload.rawValue),
            "the backward pass computes the inside of each layer again from its kept input. `unsloth` keeps those inputs in "
                + "main memory beside a card, so that longer completions fit; without a card it is true. false keeps the "
                + "inside too, in 16 bits: a step is a few per cent faster, a token takes about twice the memory, and "
                + "gradients differ in their fifth digit"
        ).onResume(.notice).also("use_gradient_checkpointing").also("activation_checkpointing")
    }
}
