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
    /// where they are.
    convenience init(
        _ parts: ModelParts, parameters: Matrix, tensors: [String: ParameterTensor], backend: any Backend
    ) throws {
        let configuration = parts.configuration
        func vector(_ name: String) -> Matrix? {
            tensors[name].map { parameters.tensor($0.range, shape: $0.shape) }
        }
        func gain(_ name: String) throws -> Matrix {
            guard let vector = vector(name) else { throw ModelError("tensor '\(name)' is missing") }
            return vector
        }
        func weight(_ outputs: Int, _ inputs: Int) throws -> Weight {
            try backend.makeWeight(.f32, outputs: outputs, inputs: inputs) { _, values in values.update(repeating: 0) }
        }
        let head = try weight(configuration.vocabularySize, configuration.hiddenSize)
        let layers = try (0..<configuration.layerCount).map { layer in
            LayerWeights(
                inputNorm: try gain("model.layers.\(layer).input_layernorm.weight"),
                postAttentionNorm: try gain("model.layers.\(layer).post_attention_layernorm.weight"),
                linears: try LinearModule.allCases.map { module in
                    let (outputs, inputs) = module.shape(configuration)
                    return try weight(outputs, inputs)
                },
                biases: LinearModule.allCases.map { vector($0.path(layer: layer) + ".bias") })
        }
        let weights = ModelWeights(
            embedding: configuration.tiesEmbeddings
                ? .shared(head) : .own(try weight(configuration.vocabularySize, configuration.hiddenSize)),
            head: head, layers: layers, finalNorm: try gain("model.norm.weight"))
        self.init(parts, precision: .f32, backend: backend, weights: weights)
    }
}
