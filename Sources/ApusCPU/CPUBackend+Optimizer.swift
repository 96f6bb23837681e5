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
        let correction1 = 1 - power(step.beta1, step.step)
        let correction2 = (1 - power(step.beta2, step.step)).squareRoot()
        split(parameters.rows * parameters.columns) { _, range in
            let i = range.lowerBound
            self.kernels.optimizer.adamw(
                p + i, m + i, v + i, g + i, range.count, step.learningRate, step.beta1, step.beta2, step.epsilon,
                step.weightDecay, correction1, correction2, 1)
        }
    }

    private func power(_ base: Double, _ exponent: Int) -> Double {
        var result = 1.0
        for _ in 0..<exponent { result *= base }
        return result
    }
}
