/// The seven linear modules of a layer, in the order in which PEFT numbers them.
package enum LinearModule: Int, CaseIterable, Sendable {
    /// Queries.
    case query
    /// Keys.
    case key
    /// Values.
    case value
    /// Output of attention.
    case attentionOutput
    /// Gate of the feed-forward network.
    case gate
    /// Up-projection.
    case up
    /// Down-projection.
    case down

    /// The module's own name in Hugging Face models and in `target_modules`.
    package var name: String {
        switch self {
        case .query: "q_proj"
        case .key: "k_proj"
        case .value: "v_proj"
        case .attentionOutput: "o_proj"
        case .gate: "gate_proj"
        case .up: "up_proj"
        case .down: "down_proj"
        }
    }

    /// Path below the model, such as `model.layers.3.self_attn.q_proj`.
    package func path(layer: Int) -> String {
        let parent =
            switch self {
            case .query, .key, .value, .attentionOutput: "self_attn"
            case .gate, .up, .down: "mlp"
            }
        return "model.layers.\(layer).\(parent).\(name)"
    }

    /// `(outputs, inputs)` of the module's weight.
    package func shape(_ configuration: ModelConfiguration) -> (outputs: Int, inputs: Int) {
        let hidden = configuration.hiddenSize
        let queryWidth = configuration.headCount * configuration.headSize
        let keyWidth = configuration.keyValueHeadCount * configuration.headSize
        return switch self {
        case .query: (queryWidth, hidden)
        case .key, .value: (keyWidth, hidden)
        case .attentionOutput: (hidden, queryWidth)
        case .gate, .up: (configuration.intermediateSize, hidden)
        case .down: (hidden, configuration.intermediateSize)
        }
    }
}
