internal import CKernels

extension CPUBackend {
    /// See `Backend`.
    public func embed(_ tokens: [Int32], table: Weight, into x: Matrix) {
        precondition(x.rows == tokens.count && x.columns == table.inputs, "shapes differ")
        let base = x.pointer
        split(tokens.count) { _, rows in
            withUnsafePointer(to: table.packed) {
                for row in rows { self.kernels.linear.read_row($0, tokens[row], base + row * table.inputs) }
            }
        }
    }

    /// See `Backend`.
    public func rmsNorm(_ x: Matrix, gain: Matrix, epsilon: Float, into y: Matrix) {
        let (from, to, g) = (x.pointer, y.pointer, gain.pointer)
        let width = Int32(x.columns)
        split(x.rows, work: x.rows * x.columns) { _, rows in
            self.kernels.layer.rms_norm(from, g, epsilon, to, width, Int32(rows.lowerBound), Int32(rows.upperBound))
        }
    }

    /// See `Backend`.
    public func addRMSNorm(_ x: Matrix, adding d: Matrix, gain: Matrix, epsilon: Float, into y: Matrix) {
        let (from, to, g, delta) = (x.pointer, y.pointer, gain.pointer, d.pointer)
        let width = Int32(x.columns)
        split(x.rows, work: x.rows * x.columns) { _, rows in
            self.kernels.layer.add_rms_norm(
                from, delta, g, epsilon, to, width, Int32(rows.lowerBound), Int32(rows.upperBound))
        }
    }

    /// See `Backend`.
    public func rmsNormBackward(_ x: Matrix, gain: Matrix, epsilon: Float, dy: Matrix, addingTo dx: Matrix) {
        let (from, to, g, dOutput) = (x.pointer, dx.pointer, gain.pointer, dy.pointer)
        let width = Int32(x.columns)
        split(x.rows) { _, rows in
            self.kernels.layer.rms_norm_backward(
                from, g, epsilon, dOutput, to, width, Int32(rows.lowerBound), Int32(rows.upperBound))
        }
    }

    /// See `Backend`.
    public func copy(_ source: Matrix, into destination: Matrix) {
        precondition(source.rows == destination.rows && source.columns == destination.columns, "shapes differ")
        destination.pointer.update(from: source.pointer, count: source.rows * source.columns)
    }

    /// See `Backend`.
    public func add(_ x: Matrix, _ d: Matrix) {
        let (to, from) = (x.pointer, d.pointer)
        split(x.rows, work: x.rows * x.columns) { _, rows in
            self.kernels.layer.add(to, from, rows.lowerBound * x.columns, rows.upperBound * x.columns)
        }
    }

    /// See `Backend`.
    public func gather(_ source: Matrix, _ indices: [Int], into destination: Matrix) {
        precondition(destination.rows == indices.count && destination.columns == source.columns, "shapes differ")
        let (from, to, width) = (source.pointer, destination.pointer, source.columns)
        split(indices.count, work: indices.count * width) { _, rows in
            for row in rows { (to + row * width).update(from: from + indices[row] * width, count: width) }
        }
    }

    /// See `Backend`.
    public func scatter(_ source: Matrix, _ indices: [Int], into destination: Matrix) {
        precondition(source.rows == indices.count && source.columns == destination.columns, "shapes differ")
        let (from, to, width) = (source.pointer, destination.pointer, source.columns)
        split(indices.count, work: indices.count * width) { _, rows in
            for row in rows { (to + indices[row] * width).update(from: from + row * width, count: width) }
        }
    }

    /// See `Backend`.
    public func scatterAdd(_ source: Matrix, _ indices: [Int], into destination: Matrix) {
        let (from, to, width) = (source.pointer, destination.pointer, source.columns)
        for (row, index) in indices.enumerated() {
            kernels.layer.add(to + index * width, from + row * width, 0, width)
        }
    }

    /// See `Backend`.
    public func gatherColumns(_ source: Matrix, _ indices: [Int], into destination: Matrix) {
        precondition(destination.rows == indices.count && destination.columns == source.rows, "shapes differ")
        let (from, to, length, width) = (source.pointer, destination.pointer, source.columns, source.rows)
        for (row, index) in indices.enumerated() {
            for column in 0..<width { to[row * width + column] = from[column * length + index] }
        }
    }

    /// See `Backend`.
    public func scatterAddColumns(_ source: Matrix, _ indices: [Int], into destination: Matrix) {
        precondition(source.rows == indices.count && source.columns == destination.rows, "shapes differ")
        let (from, to, length, width) = (source.pointer, destination.pointer, destination.columns, source.columns)
        for (row, index) in indices.enumerated() {
            for column in 0..<width { to[column * length + index] += from[row * width + column] }
        }
    }

    /// See `Backend`.
    public func gate(_ activation: GateActivation, _ gate: Matrix, _ up: Matrix, into h: Matrix) {
        let (g, u, to, width) = (gate.pointer, up.pointer, h.pointer, gate.columns)
        let kernel = activation == .silu ? kernels.layer.silu_gate : kernels.layer.gelu_gate
        split(gate.rows, work: 4 * gate.rows * width) { _, rows in
            kernel?(g, u, to, rows.lowerBound * width, rows.upperBound * width)
        }
    }

    /// See `Backend`.
    public func gateBackward(_ activation: GateActivation, gate: Matrix, up: Matrix, dh: Matrix) {
        let (g, u, d, width) = (gate.pointer, up.pointer, dh.pointer, gate.columns)
        let kernel = activation == .silu ? kernels.layer.silu_gate_backward : kernels.layer.gelu_gate_backward
        split(gate.rows) { _, rows in
            kernel?(g, u, d, g, u, rows.lowerBound * width, rows.upperBound * width)
        }
    }

    /// See `Backend`.
    public func split(_ joined: Matrix, into parts: [Matrix]) {
        columns(joined, parts) { wide, narrow, count in narrow.update(from: wide, count: count) }
    }

    /// See `Backend`.
    public func join(_ parts: [Matrix], into joined: Matrix) {
        columns(joined, parts) { wide, narrow, count in wide.update(from: narrow, count: count) }
    }

    /// Calls `move` for each row's stretches of a wide matrix, which stand for the rows of narrower ones.
    private func columns(
        _ joined: Matrix, _ parts: [Matrix],
        _ move: (_ wide: UnsafeMutablePointer<Float>, _ narrow: UnsafeMutablePointer<Float>, _ count: Int) -> Void
    ) {
        precondition(
            parts.reduce(0) { $0 + $1.columns } == joined.columns && parts.allSatisfy { $0.rows == joined.rows },
            "shapes differ")
        split(joined.rows, work: joined.rows * joined.columns) { _, rows in
            for row in rows {
                var wide = joined.pointer + row * joined.columns
                for part in parts {
                    move(wide, part.pointer + row * part.columns, part.columns)
                    wide += part.columns
                }
            }
        }
    }

    /// See `Backend`.
    public func rope(_ x: Matrix, headSize: Int, table: RotaryTable, positions: [Int32], inverse: Bool) {
        let (base, cosines, sines) = (x.pointer, table.cosines.pointer, table.sines.pointer)
        let (heads, half) = (Int32(x.columns / headSize), Int32(table.dimensions / 2))
        precondition(table.dimensions <= headSize, "the table goes beyond a head")
        split(x.rows, work: 2 * x.rows * x.columns) { _, rows in
            self.kernels.layer.rope(
                base, x.columns, heads, Int32(headSize), half, cosines, sines, positions, inverse ? -1 : 1,
                Int32(rows.lowerBound), Int32(rows.upperBound))
        }
    }

    /// See `Backend`.
    public func sumOfSquares(_ x: Matrix) -> Double {
        kernels.optimizer.sum_of_squares(x.pointer, x.rows * x.columns)
    }

    /// See `Backend`.
    public func scale(_ x: Matrix, by factor: Float) {
        let base = x.pointer
        split(x.rows * x.columns, work: x.rows * x.columns) { _, range in
            for i in range { base[i] *= factor }
        }
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
