/// What gradients are taken to: nothing, an adapter beside frozen weights, or the weights themselves.
package enum Trained {
    /// Nothing is trained.
    case frozen
    /// A low-rank adapter.
    case adapter(LoRAAdapter)
    /// All weights of the model.
    case full(FullParameters)

    /// The adapter that the policy computes with.
    var adapter: LoRAAdapter? { if case .adapter(let adapter) = self { adapter } else { nil } }

    /// The weights that move.
    var parameters: FullParameters? { if case .full(let parameters) = self { parameters } else { nil } }
}

/// Whose log-probabilities are asked for.
public enum ScoringPolicy: Sendable {
    /// The policy as it is trained so far.
    case current
    /// What the KL term holds it to: the model that the run began with.
    case reference
}
