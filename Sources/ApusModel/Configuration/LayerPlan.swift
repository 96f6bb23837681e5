public import ApusTensor

/// What one layer computes, as data: the forward and the backward pass interpret it, and nothing else knows a family.
///
/// A half layer reads the residual stream x, through a norm where it has one before, and adds what it gives to x, through a
/// norm or times a number where it has one after.
public struct LayerPlan: Sendable, Equatable {
    /// The norms that the layer has, with the number of values that each of them goes over.
    package var norms: [NormPosition: Int]
    /// The linear modules that the layer has.
    package var modules: [LinearPlan]
    /// Which of the model's rotary embeddings turns queries and keys; nil for none (NoPE).
    public var rotaryEmbedding: Int?
    /// How scores are made of queries and keys, and which keys a query sees.
    public var attention: AttentionRule
    /// What the feed-forward network applies to its gate.
    public var activation: GateActivation
    /// What both halves' outputs are multiplied by before they are added; 1 where there is a norm after them.
    public var residualMultiplier: Float

    /// Whether the layer has a module.
    package func has(_ module: LinearModule) -> Bool { modules.contains { $0.module == module } }

    /// The norms in the order in which a layer comes to them.
    package var normPositions: [NormPosition] { NormPosition.allCases.filter { norms[$0] != nil } }

    /// Numbers in all of the layer's matrices.
    package var matrixElements: Int { modules.reduce(0) { $0 + $1.outputs * $1.inputs } }
}

/// A place where layers may have an RMSNorm.
///
/// Named by the place, not by the file's word: `post_attention_layernorm` stands before the feed-forward network in Llama,
/// and behind attention in Gemma 2.
package enum NormPosition: Int, CaseIterable, Sendable {
    /// Of what attention reads.
    case beforeAttention
    /// Of queries, before they are rotated: over each head, or over all of them.
    case queries
    /// Of keys, likewise.
    case keys
    /// Of what attention adds.
    case afterAttention
    /// Of what the feed-forward network reads.
    case beforeFeedForward
    /// Of what the feed-forward network adds.
    case afterFeedForward
}

/// The shape of a linear module of a layer.
package struct LinearPlan: Sendable, Equatable {
    /// Which one.
    package let module: LinearModule
    /// Rows of its matrix.
    package let outputs: Int
    /// Columns of its matrix.
    package let inputs: Int
    /// Whether it adds a bias.
    package let hasBias: Bool
}
