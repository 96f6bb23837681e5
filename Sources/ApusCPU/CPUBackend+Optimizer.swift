public import ApusTensor
internal import CKernels

extension CPUBackend {
    /// See `Backend`.
    public func sumOfSquares(_ x: Matrix) -> Double {
        kernels.optimizer.sum_of_squares(x.pointer, x.rows * x.columns)
    }

    /// See `Backend`.
    public func adamW(
        _ step: AdamWStep, parameters: Matrix, firstMoment: Matrix, secondMoment: Matrix, gradients: Matrix
    ) {
        let (p, m, v, g) = (parameters.pointer, firstMoment.pointer, secondMoment.pointer, gradients.pointer)
        let corrections = step.biasCorrections
        split(parameters.rows * parameters.columns) { _, range in
            let i = range.lowerBound
            self.kernels.optimizer.adamw(
                p + i, m + i, v + i, g + i, range.count, step.learningRate, step.beta1, step.beta2, step.epsilon,
                step.weightDecay, corrections.first, corrections.second.squareRoot(), 1)
        }
    }
}
