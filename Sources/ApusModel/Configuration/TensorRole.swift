/// What a tensor is to a model, whatever a file calls it.
package enum TensorRole: Hashable, Sendable {
    /// The table of token embeddings, `[vocabulary, hidden]`.
    case embedding
    /// The gain of the norm before the head.
    case finalNorm
    /// The output head, `[vocabulary, hidden]`.
    case head
    /// The gain of a norm of a layer.
    case norm(NormPosition, layer: Int)
    /// The matrix of a linear module, `[outputs, inputs]`.
    case weight(LinearModule, layer: Int)
    /// The bias of a linear module.
    case bias(LinearModule, layer: Int)

    /// Whether it is the gain of a norm.
    var isGain: Bool {
        switch self {
        case .finalNorm, .norm: true
        case .embedding, .head, .weight, .bias: false
        }
    }

    /// The layer that it is part of, if it is one's.
    package var layer: Int? {
        switch self {
        case .embedding, .finalNorm, .head: nil
        case .norm(_, let layer), .weight(_, let layer), .bias(_, let layer): layer
        }
    }

    /// The module that it belongs to, if it is one's matrix.
    package var matrixModule: LinearModule? { if case .weight(let module, _) = self { module } else { nil } }
}

/// A tensor of a model with its shape.
package struct ModelTensor: Sendable {
    /// What it is.
    package let role: TensorRole
    /// Dimensions, outermost first; matrices are `[out, in]`.
    package let shape: [Int]
}

extension ModelConfiguration {
    /// Every tensor that the model needs: the embedding, the layers from the first to the last, the norm after them, the head.
    package var tensors: [ModelTensor] {
        let table = [vocabularySize, hiddenSize]
        var result = [ModelTensor(role: .embedding, shape: table)]
        for (index, layer) in layers.enumerated() { result += layer.tensors(index) }
        result.append(ModelTensor(role: .finalNorm, shape: [hiddenSize]))
        if !tiesEmbeddings { result.append(ModelTensor(role: .head, shape: table)) }
        return result
    }

    /// All numbers of a model of this shape.
    package var parameterCount: Int { tensors.reduce(0) { $0 + $1.shape.reduce(1, *) } }
}

extension LayerPlan {
    /// The layer's gains and matrices as it comes to them, then its biases.
    fileprivate func tensors(_ layer: Int) -> [ModelTensor] {
        func gains(_ positions: NormPosition...) -> [ModelTensor] {
            positions.compactMap { place in
                norms[place].map { ModelTensor(role: .norm(place, layer: layer), shape: [$0]) }
            }
        }
        func matrices(_ half: LayerHalf) -> [ModelTensor] {
            modules.filter { $0.module.half == half }.map {
                ModelTensor(role: .weight($0.module, layer: layer), shape: [$0.outputs, $0.inputs])
            }
        }
        let biases = modules.filter(\.hasBias).map {
            ModelTensor(role: .bias($0.module, layer: layer), shape: [$0.outputs])
        }
        return gains(.beforeAttention) + matrices(.attention) + gains(.queries, .keys, .afterAttention)
            + gains(.beforeFeedForward) + matrices(.feedForward) + gains(.afterFeedForward) + biases
    }
}
