internal import ApusTensor

/// The gradients of each kind of weight, called by the backward pass as it goes down.
extension FullParameters {
    private var backend: any Backend { model.backend }
    private var epsilon: Float { model.configuration.normEpsilon }

    /// Adds the gradients of a linear module's weight and bias.
    func linearBackward(_ layer: Int, _ module: LinearModule, dOutput: Matrix, input: Matrix) {
        if let weight = gradient(.weight(module, layer: layer)) { backend.addOuterProduct(dOutput, input, to: weight) }
        if let bias = gradient(.bias(module, layer: layer)) { backend.addColumnSums(dOutput, to: bias) }
    }

    /// Adds the gradient of a norm's gain; the gradient of a gain is that of its sum with a constant.
    func normBackward(_ norm: TensorRole, _ x: Matrix, dy: Matrix) {
        guard let gain = gradient(norm) else { return }
        backend.rmsNormGainBackward(x, epsilon: epsilon, dy: dy, addingTo: gain)
    }

    /// Adds the gradient of the embedding's rows.
    ///
    /// - Parameter dx: the gradient of what is looked up.
    func embeddingBackward(_ dx: Matrix, _ pass: Pass) {
        guard let table = gradient(.embedding) else { return }
        backend.scatterAdd(dx, pass.tokens, into: table)
    }

    /// Adds the gradient of the head, which is the embedding's where they are tied.
    func headBackward(dLogits: Matrix, hidden: Matrix) {
        if let head = gradient(model.configuration.tiesEmbeddings ? .embedding : .head) {
            backend.addOuterProduct(dLogits, hidden, to: head)
        }
    }
}
