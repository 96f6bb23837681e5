/// The linear modules that layers are made of, in the order in which an adapter lists them.
///
/// A layer has either ``query``, ``key`` and ``value`` or ``queryKeyValue``, and either ``gate`` and ``up`` or ``gateUp``.
package enum LinearModule: Int, CaseIterable, Sendable {
    /// Queries.
    case query
    /// Keys.
    case key
    /// Values.
    case value
    /// Queries, keys and values, one below the other in one matrix (Phi-3).
    case queryKeyValue
    /// Output of attention.
    case attentionOutput
    /// Gate of the feed-forward network.
    case gate
    /// Up-projection.
    case up
    /// Gate and up-projection, one below the other in one matrix (Phi-3).
    case gateUp
    /// Down-projection.
    case down

    /// The module's own name in Hugging Face models and in `target_modules`.
    package var name: String {
        switch self {
        case .query: "q_proj"
        case .key: "k_proj"
        case .value: "v_proj"
        case .queryKeyValue: "qkv_proj"
        case .attentionOutput: "o_proj"
        case .gate: "gate_proj"
        case .up: "up_proj"
        case .gateUp: "gate_up_proj"
        case .down: "down_proj"
        }
    }

    /// The half of a layer that it is part of.
    package var half: LayerHalf {
        switch self {
        case .query, .key, .value, .queryKeyValue, .attentionOutput: .attention
        case .gate, .up, .gateUp, .down: .feedForward
        }
    }
}

/// The two halves of a layer: each reads the residual stream and adds to it.
package enum LayerHalf: Sendable {
    /// Attention.
    case attention
    /// The feed-forward network.
    case feedForward

    /// The modules that read what the half layer reads, where each has a matrix of its own.
    var inputModules: [LinearModule] {
        switch self {
        case .attention: [.query, .key, .value]
        case .feedForward: [.gate, .up]
        }
    }

    /// The module that stands for all of them where they are fused.
    var fusedInput: LinearModule {
        switch self {
        case .attention: .queryKeyValue
        case .feedForward: .gateUp
        }
    }

    /// The module that gives what the half layer adds to the residual stream.
    var outputModule: LinearModule {
        switch self {
        case .attention: .attentionOutput
        case .feedForward: .down
        }
    }
}
