/// The features of PEFT's LoRA that change what an adapter computes, or the weights that it belongs to, beside rank and scale:
/// none is implemented here, and vLLM refuses them too. A file that sets one would load as another adapter than it is.
enum LoRAFeature: String, CodingKey, CaseIterable {
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
    private func isOn(_ value: Value) -> Bool {
        switch (self, value) {
        case (.initialWeights, .text(let name)): !Self.plainBeginnings.contains(name.lowercased())
        case (.initialWeights, _), (_, .nothing): false
        default: true
        }
    }

    /// What a key holds, as far as it matters.
    private enum Value: Decodable {
        /// null, false, or an empty list or object.
        case nothing
        case text(String)
        case something

        init(from decoder: any Decoder) throws {
            if let members = try? decoder.container(keyedBy: AnyKey.self) {
                self = members.allKeys.isEmpty ? .nothing : .something
            } else if let items = try? decoder.unkeyedContainer() {
                self = items.isAtEnd ? .nothing : .something
            } else {
                let value = try decoder.singleValueContainer()
                if value.decodeNil() || (try? value.decode(Bool.self)) == false {
                    self = .nothing
                } else {
                    self = (try? value.decode(String.self)).map(Value.text) ?? .something
                }
            }
        }
    }

    private struct AnyKey: CodingKey {
        let stringValue: String
        let intValue: Int? = nil
        init?(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    /// The keys of a configuration that ask for such a feature.
    static func used(in decoder: any Decoder) throws -> [String] {
        let values = try decoder.container(keyedBy: Self.self)
        return try allCases.filter { try values.decodeIfPresent(Value.self, forKey: $0).map($0.isOn) ?? false }
            .map(\.rawValue)
    }
}
