/// The features of PEFT's LoRA that change what an adapter computes, or the weights that it belongs to, beside rank and scale:
/// none is implemented here, and vLLM refuses them too. A file that sets one would load as another adapter than it is.
enum LoRAFeature: String, CaseIterable {
    case initialWeights = "init_lora_weights"
    case bias = "lora_bias"
    case activationTokens = "alora_invocation_tokens"
    case layerReplication = "layer_replication"
    case blockDiagonal = "use_bdlora"
    case quantizationAware = "use_qalora"
    case parameters = "target_parameters"
    case tokenIndices = "trainable_token_indices"

    /// Initial values of `init_lora_weights` that leave the base model's weights alone: such a file is a plain adapter.
    private static let plainBeginnings: Set = ["gaussian", "eva", "orthogonal", "mica", "lora_ga"]

    /// Whether a value of the key asks for the feature.
    private func isOn(_ value: JSONValue) -> Bool {
        switch (self, value) {
        case (.initialWeights, .string(let name)): !Self.plainBeginnings.contains(name.lowercased())
        case (.initialWeights, _), (_, .null), (_, .bool(false)): false
        case (_, .array(let items)): !items.isEmpty
        case (_, .object(let members)): !members.isEmpty
        default: true
        }
    }

    /// The keys of a configuration that ask for such a feature.
    static func used(in file: JSONMembers) -> [String] {
        allCases.filter { feature in file.value(feature.rawValue).map(feature.isOn) ?? false }.map(\.rawValue)
    }
}
