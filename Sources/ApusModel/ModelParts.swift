internal import ApusTensor
internal import ApusText

/// What a model needs beside its weights.
struct ModelParts {
    let path: String
    let configuration: ModelConfiguration
    let tokenizer: Tokenizer
}

extension LanguageModel {
    /// A model whose weights are in memory: matrices are reserved, to be packed by their owner; gains and biases are read
    /// where the owner keeps them.
    ///
    /// - Parameter vector: gives a gain, as it multiplies, or a bias.
    convenience init(
        _ parts: ModelParts, backend: any Backend, vector: (TensorRole) throws -> Matrix
    ) throws {
        let configuration = parts.configuration
        func weight(_ outputs: Int, _ inputs: Int) throws -> Weight {
            try backend.makeWeight(.f32, outputs: outputs, inputs: inputs) { _, values in values.update(repeating: 0) }
        }
        let head = try weight(configuration.vocabularySize, configuration.hiddenSize)
        let layers = try configuration.layers.enumerated().map { layer, plan in
            var weights = LayerWeights(plan)
            for linear in plan.modules {
                weights[linear.module] = try weight(linear.outputs, linear.inputs)
                if linear.hasBias {
                    weights.setBias(try vector(.bias(linear.module, layer: layer)), of: linear.module)
                }
            }
            for place in plan.normPositions { weights[place] = try vector(.norm(place, layer: layer)) }
            return weights
        }
        let weights = ModelWeights(
            embedding: configuration.tiesEmbeddings
                ? .shared(head) : .own(try weight(configuration.vocabularySize, configuration.hiddenSize)),
            head: head, layers: layers, finalNorm: try vector(.finalNorm))
        self.init(parts, precision: .f32, backend: backend, weights: weights)
    }
}
