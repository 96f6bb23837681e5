internal import ApusTensor

/// The gradients of each kind of weight, called by the backward pass as it goes down.
extension FullParameters {
    private var backend: any Backend { model.backend }
    private var epsilon: Float { model.configuration.normEpsilon }

    /// Adds the gradients of a linear module's weight and bias.
    func linearBackward(_ layer: Int, _ module: LinearModule, dOutput: Matrix, input: Matrix) {
        let path = module.path(layer: layer)
        if let weight = gradient(path + ".weight") { backend.addOuterProduct(dOutput, input, to: weight) }
        if let bias = gradient(path + ".bias") { backend.addColumnSums(dOutput, to: bias) }
    }

    /// Adds the gradient of the gain before attention.
    func inputNormBackward(_ layer: Int, _ x: Matrix, dy: Matrix) {
        gainBackward("model.layers.\(layer).input_layernorm.weight", x, dy)
    }

    /// Adds the gradient of the gain before the feed-forward network.
    func postAttentionNormBackward(_ layer: Int, _ x: Matrix, dy: Matrix) {
        gainBackward("model.layers.\(layer).post_attention_layernorm.weight", x, dy)
    }

    /// Adds the gradient of the last gain.
    func finalNormBackward(_ x: Matrix, dy: Matrix) { gainBackward("model.norm.weight", x, dy) }

    /// Adds the gradient of the embedding's rows.
    func embeddingBackward(_ dx: Matrix, tokens: [Int32]) {
        guard let table = gradient(TokenEmbedding.tensor) else { return }
        backend.scatterAdd(dx, tokens.map(Int.init), into: table)
    }

    /// Adds the gradient of the head, which is the embedding's where they are tied.
    func headBackward(dLogits: Matrix, hidden: Matrix) {
        let name = model.configuration.tiesEmbeddings ? TokenEmbedding.tensor : "lm_head.weight"
        if let head = gradient(name) { backend.addOuterProduct(dLogits, hidden, to: head) }
    }

    private func gainBackward(_ name: String, _ x: Matrix, _ dy: Matrix) {
        guard let gain = gradient(name) else { return }
        backend.rmsNormGainBackward(x, epsilon: epsilon, dy: dy, addingTo: gain)
    }
}
