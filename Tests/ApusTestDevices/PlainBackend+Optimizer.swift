public import ApusTensor
internal import Foundation

extension PlainBackend {
    /// See `Backend`.
    public func sumOfSquares(_ x: Matrix) -> Double {
        let x = own(x)
        finish()
        var sum = 0.0
        for i in 0..<x.count { sum += Double(x.base[i]) * Double(x.base[i]) }
        return sum
    }

    /// See `Backend`. Each value in double, then rounded once.
    public func adamW(
        _ step: AdamWStep, parameters: Matrix, firstMoment: Matrix, secondMoment: Matrix, gradients: Matrix
    ) {
        let (parameters, gradients) = (own(parameters), own(gradients))
        let (first, second) = (own(firstMoment), own(secondMoment))
        for matrix in [first, second, gradients] { matrix.requireCount(parameters.count) }
        parameters.requireApart(first, second, gradients)
        first.requireApart(second, gradients)
        second.requireApart(gradients)
        let correction1 = 1 - pow(step.beta1, Double(step.step))
        let correction2 = 1 - pow(step.beta2, Double(step.step))
        enqueue {
            let (p, m, v, g) = (parameters.base, first.base, second.base, gradients.base)
            for i in 0..<parameters.count {
                let gradient = Double(g[i])
                m[i] = Float(Double(m[i]) + (1 - step.beta1) * (gradient - Double(m[i])))
                v[i] = Float(step.beta2 * Double(v[i]) + (1 - step.beta2) * gradient * gradient)
                let direction = Double(m[i]) / correction1 / ((Double(v[i]) / correction2).squareRoot() + step.epsilon)
                p[i] = Float(Double(p[i]) * (1 - step.learningRate * step.weightDecay) - step.learningRate * direction)
            }
        }
    }
}
