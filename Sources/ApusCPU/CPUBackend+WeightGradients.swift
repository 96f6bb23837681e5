public import ApusTensor
internal import CKernels

/// What training all weights needs beyond training an adapter.
extension CPUBackend {
    /// See `Backend`.
    public func addOuterProduct(_ a: Matrix, _ b: Matrix, to c: Matrix) {
        addOuterProducts([OuterProduct(a, b, alpha: 1, adding: c)])
    }

    /// See `Backend`.
    public func addColumnSums(_ x: Matrix, to sums: Matrix) {
        precondition(sums.rows == 1 && sums.columns == x.columns, "shapes differ")
        let (to, from, width) = (sums.pointer, x.pointer, x.columns)
        split(width, work: x.rows * width) { _, columns in
            for row in 0..<x.rows {
                let values = from + row * width
                for column in columns { to[column] += values[column] }
            }
        }
    }

    /// See `Backend`. Each column is summed on one thread, row by row.
    public func rmsNormGainBackward(_ x: Matrix, epsilon: Float, dy: Matrix, addingTo dGain: Matrix) {
        precondition(dGain.rows == 1 && dGain.columns == x.columns && dy.rows == x.rows, "shapes differ")
        let (input, dOutput, to, width) = (x.pointer, dy.pointer, dGain.pointer, x.columns)
        let inverses = (0..<x.rows).map { row in
            1
                / (Float(kernels.optimizer.sum_of_squares(input + row * width, width) / Double(width)) + epsilon)
                .squareRoot()
        }
        split(width, work: x.rows * width) { _, columns in
            for row in 0..<x.rows {
                let (values, gradients, inverse) = (input + row * width, dOutput + row * width, inverses[row])
                for column in columns { to[column] += gradients[column] * values[column] * inverse }
            }
        }
    }
}
